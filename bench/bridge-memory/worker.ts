/**
 * A worker in miniature, in a process that can be stopped: worker.ts ENDPOINT, with commands on stdin, each answered with its own line when it is done.
 * `submit N`: until all are accepted. `record N`: until so many results have come and are recorded. `hold`: takes results, and completes none.
 */
import { randomUUID } from "node:crypto";
import { createInterface } from "node:readline";
import type { ServerMessage } from "../../bridge/src/messages.ts";
import { BridgeSession } from "../../bridge/src/session.ts";
import { HeldAttempts } from "../../src/worker/held.ts";
import { PLAIN_TERMS } from "../../test/support/terms.ts";

const held = new HeldAttempts();
const arrived: ServerMessage[] = [];
let accepted = 0;
let recorded = 0;
let isHolding = false;
let changed = Promise.withResolvers<void>();

const session = new BridgeSession({
  endpoint: process.argv[2] ?? "",
  build: "bench",
  worker: "bench",
  incarnation: randomUUID(),
  database: null,
  openTimeout: 10_000,
  // Stopped for longer than the usual ten seconds, it is to go on here.
  silence: 600_000,
  held: () => held.size,
  onMessage: take,
  onLost: (error) => {
    throw error;
  },
});

function take(message: ServerMessage): void {
  if (message.type === "accepted") accepted += 1;
  if (message.type === "result") {
    if (isHolding) arrived.push(message);
    else record(message);
  }
  changed.resolve();
  changed = Promise.withResolvers();
}

function record({ execution, fence }: ServerMessage & { type: "result" }): void {
  recorded += 1;
  held.drop(execution, fence);
  session.send({ type: "recorded", attempts: [[execution, fence]] });
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await changed.promise;
}

const COMMANDS: Record<string, (count: number) => Promise<void>> = {
  async submit(count) {
    const from = accepted;
    for (let fence = from + 1; fence <= from + count; fence += 1) {
      const execution = randomUUID();
      held.add(execution, fence, "noop", PLAIN_TERMS);
      const input = Buffer.from(JSON.stringify({ customer: execution, note: "x".repeat(50) }));
      const what = { task: "noop", content_type: "application/json", input, options: {} };
      const limits = { timeout_seconds: null, timeout_grace_seconds: 0 };
      session.send({ type: "submit", execution, fence, attempt: 1, ...what, ...limits });
    }
    await until(() => accepted === from + count);
  },
  async record(count) {
    await until(() => recorded >= count);
  },
  async hold() {
    isHolding = true;
    session.hold(true);
  },
  async collect() {
    globalThis.gc?.();
  },
};

await session.open();
console.log("open");
for await (const line of createInterface({ input: process.stdin })) {
  const [command = "", count] = line.split(" ");
  await COMMANDS[command]?.(Number(count));
  console.log(line);
}
await session.close("measured", true);
