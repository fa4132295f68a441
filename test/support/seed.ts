/** Rows for tests, written by the real verbs; raw looks at them by postgres.js. */
import { randomUUID } from "node:crypto";
import postgres from "postgres";
import type { TaskError } from "../../src/errors.ts";
import { encodePayload } from "../../src/payload.ts";
import { type ClaimedExecution, claim } from "../../src/store/claim.ts";
import type { Completion } from "../../src/store/complete.ts";
import { connect, type Store } from "../../src/store/connection.ts";
import { enqueue, type NewExecution } from "../../src/store/enqueue.ts";
import { openLease } from "../../src/store/lease.ts";
import { openServer } from "../../src/store/server.ts";
import { createTestDatabase } from "./database.ts";

export interface TestStore {
  readonly url: string;
  readonly store: Store;
  /** For raw looks at the rows, and for changes that no verb makes: marked as a verb, so that no trigger asks. */
  readonly sql: postgres.Sql;
  /** Removes every row. */
  empty(): Promise<void>;
  close(): Promise<void>;
}

/** Connection settings under which the triggers take what is written for a verb's. */
export const AS_A_VERB = { "rayferry.verb": "on" };

/** A database of the file's own with a store on it. */
export async function openTestStore(): Promise<TestStore> {
  const database = await createTestDatabase();
  const store = connect({ databaseUrl: database.url });
  const sql = postgres(database.url, { max: 3, onnotice: () => {}, connection: AS_A_VERB });
  return {
    url: database.url,
    store,
    sql,
    empty: () => emptyTables(sql),
    close: async () => {
      await Promise.all([store.close(), sql.end()]);
      await database.drop();
    },
  };
}

const TABLES = [
  "ray_task_attempt_ended",
  "execution_lease",
  "ray_task_execution",
  "task_count",
  "task_sidecar",
  "task_worker_lease",
  "task_definition",
  "task_queue",
].map((name) => `rayferry.${name}`);
/** Bytes of executions from which a new file is made for less than their rows are deleted. */
const LARGE = 1024 * 1024;

/** TRUNCATE makes a new file for each table and index: 100 ms on a disk, where deleting a test's few rows, with no trigger to ask, takes 4. */
async function emptyTables(sql: postgres.Sql): Promise<void> {
  const [table] = await sql`select pg_relation_size('rayferry.ray_task_execution') >= ${LARGE} as is_large`;
  await sql.unsafe(
    table?.["is_large"]
      ? `truncate ${TABLES.join(", ")} cascade`
      : `set local session_replication_role = replica; ${TABLES.map((name) => `delete from ${name}`).join("; ")}`,
  );
}

/** A worker incarnation that may claim. */
export interface Seat {
  readonly holder: string;
  readonly server: string;
  readonly worker: string;
}

/** Opens a lease and a server: READY, able to claim. */
export async function seedWorker(
  store: Store,
  {
    name = `w-${randomUUID().slice(0, 8)}`,
    host = "here",
    tasks = ["t.run"] as readonly string[],
    outlives = false,
    epoch = randomUUID() as string,
  } = {},
): Promise<Seat> {
  const seat = { holder: randomUUID(), server: randomUUID(), worker: name };
  await openLease(store, { id: seat.holder, name, host, pid: 4242, version: "0.0.0", queues: ["default"] });
  const server = {
    id: seat.server,
    holder: seat.holder,
    worker: name,
    epoch,
    endpoint: "ipc:///tmp/s",
    build: "0.0.0",
    outlives,
    actorName: outlives ? `actor-${epoch}` : null,
    namespace: outlives ? "rayferry" : null,
    generation: null,
    authoritySeconds: outlives ? 600 : 8,
  };
  const ray = { pid: 4343, rayAddress: null, rayVersion: null, nodes: null, cpus: null, gpus: null };
  return { ...seat, server: await openServer(store, { ...server, ...ray }, 4, tasks) };
}

/** An execution that nobody has written yet. */
export function newExecution(fields: Partial<NewExecution> = {}): NewExecution {
  return {
    id: randomUUID(),
    task: "t.run",
    queue: "default",
    priority: 0,
    runAt: null,
    delaySeconds: null,
    maxAttempts: null,
    retry: null,
    timeoutSeconds: null,
    queueTimeoutSeconds: null,
    input: encodePayload({}),
    tags: [],
    metadata: {},
    ...fields,
  };
}

/** Writes `count` executions; their ids in order. */
export async function seedQueued(
  store: Store,
  count = 1,
  fields: Partial<Omit<NewExecution, "id">> = {},
): Promise<string[]> {
  const executions = Array.from({ length: count }, () => newExecution(fields));
  await enqueue(store, executions, false);
  return executions.map((each) => each.id);
}

/** Claims up to `limit` for that worker. */
export function claimAs(
  store: Store,
  seat: Seat,
  limit = 500,
  queues: readonly string[] = ["default"],
): Promise<ClaimedExecution[]> {
  return claim(store, { ...seat, limit, queues });
}

/** Writes and claims exactly `count`, in an otherwise empty queue. */
export async function seedRunning(
  store: Store,
  seat: Seat,
  count: number,
  fields: Partial<NewExecution> = {},
): Promise<ClaimedExecution[]> {
  await seedQueued(store, count, fields);
  const claimed: ClaimedExecution[] = [];
  let last = 1;
  while (claimed.length < count && last > 0) {
    const more = await claimAs(store, seat, count - claimed.length, [fields.queue ?? "default"]);
    claimed.push(...more);
    last = more.length;
  }
  if (claimed.length !== count) throw new Error(`Expected to claim ${count}, got ${claimed.length}.`);
  return claimed;
}

/** One, claimed. */
export async function seedOneRunning(
  store: Store,
  seat: Seat,
  fields: Partial<NewExecution> = {},
): Promise<ClaimedExecution> {
  const [claimed] = await seedRunning(store, seat, 1, fields);
  if (claimed === undefined) throw new Error("Nothing was claimed.");
  return claimed;
}

/** The row as it is in the table. */
export async function readRow(sql: postgres.Sql, id: string): Promise<postgres.Row> {
  const [row] = await sql`select * from rayferry.ray_task_execution where id = ${id}`;
  if (row === undefined) throw new Error(`There is no execution ${id}.`);
  return row;
}

export function taskError(fields: Partial<TaskError> = {}): TaskError {
  return { code: "TaskError", type: "ValueError", bases: ["Exception"], message: "no", traceback: null, ...fields };
}

/** The end of an attempt: SUCCEEDED with the JSON value 1, unless `fields` say otherwise. */
export function completion(
  of: Pick<ClaimedExecution, "id" | "fence">,
  fields: Partial<Omit<Completion, "id" | "fence">> = {},
): Completion {
  return {
    id: of.id,
    fence: of.fence,
    state: "SUCCEEDED",
    contentType: "application/json",
    value: Buffer.from("1"),
    error: null,
    run: { rayTaskId: "r1", nodeId: "n1", workerId: "w1", pid: 7, runSeconds: 2, ageSeconds: 1 },
    ...fields,
  };
}
