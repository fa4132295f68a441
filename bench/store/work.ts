/** Executions through the real verbs, without Ray: enqueue, claim, complete. */
import { uuidv7 } from "uuidv7";
import { type ClaimedExecution, claim } from "../../src/store/claim.ts";
import { complete } from "../../src/store/complete.ts";
import type { Store } from "../../src/store/connection.ts";
import { enqueue, type NewExecution } from "../../src/store/enqueue.ts";
import type { Seat } from "./database.ts";

/** 100 bytes, as the throw-away prototype had them. */
const INPUT = JSON.stringify({ order: 123_456, text: "x".repeat(72) });
const RUN = { rayTaskId: "16310a0f0a45af5cffffffffffffffffffffffff01000000", nodeId: null, workerId: null, pid: 4242 };

export function newExecution(fields: Partial<NewExecution> = {}): NewExecution {
  return {
    id: uuidv7(),
    task: "shop.orders.bill",
    queue: "q0",
    priority: 0,
    runAt: null,
    delaySeconds: null,
    maxAttempts: null,
    retry: null,
    timeoutSeconds: null,
    queueTimeoutSeconds: null,
    input: { json: INPUT, bytes: null, contentType: "application/json" },
    tags: [],
    metadata: {},
    ...fields,
  };
}

export async function write(store: Store, count: number, fields: Partial<NewExecution> = {}): Promise<void> {
  await enqueue(
    store,
    Array.from({ length: count }, () => newExecution(fields)),
    false,
  );
}

export function take(store: Store, seat: Seat, limit: number, queues = ["q0"]): Promise<ClaimedExecution[]> {
  return claim(store, { ...seat, queues, limit });
}

export async function finish(store: Store, seat: Seat, claimed: readonly ClaimedExecution[]): Promise<number> {
  const ended = claimed.map(({ id, fence }) => ({
    id,
    fence,
    state: "SUCCEEDED" as const,
    contentType: "application/json",
    value: Buffer.from("1"),
    error: null,
    run: { ...RUN, runSeconds: 0.001, ageSeconds: 0.001 },
  }));
  return (await complete(store, seat.holder, ended)).size;
}
