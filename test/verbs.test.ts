/** retry, rerun, delete, cancel, pause and resume by the library: from any client, in a transaction of the caller's, refused in words. */
import { randomUUID } from "node:crypto";
import { drizzle as drizzleOnPg } from "drizzle-orm/node-postgres";
import { drizzle as drizzleOnPostgresJs } from "drizzle-orm/postgres-js";
import postgres from "postgres";
import { afterAll, beforeEach, describe, expect, test } from "vitest";
import {
  ConfigurationError,
  ExecutionNotFoundError,
  ExecutionStateError,
  InvalidInputError,
  RayTaskBackend,
  type RayTaskExecution,
} from "../src/index.ts";
import { encodePayload } from "../src/payload.ts";
import { complete } from "../src/store/complete.ts";
import { define } from "../src/store/definitions.ts";
import type { CallerClient } from "../src/store/queryable.ts";
import { collectNotifications } from "./support/notifications.ts";
import {
  completion,
  openTestStore,
  readRow,
  type Seat,
  seedOneRunning,
  seedQueued,
  seedWorker,
  taskError,
} from "./support/seed.ts";

const { url, store, sql, empty, close } = await openTestStore();
const channels = await Promise.all(
  [store.names.enqueuedChannel, store.names.finishedChannel, store.names.cancelChannel].map((channel) =>
    collectNotifications(store, channel),
  ),
);
const told = async () => (await Promise.all(channels.map((each) => each.take()))).flat();
const client = postgres(url, { max: 2, onnotice: () => {} });
const onPostgresJs = drizzleOnPostgresJs(postgres(url, { max: 2, onnotice: () => {} }));
const onPg = drizzleOnPg(url);
const own = new RayTaskBackend({ databaseUrl: url });
let seat: Seat;

afterAll(async () => {
  await own.close();
  await Promise.all([client.end(), onPostgresJs.$client.end(), onPg.$client.end()]);
  await close();
});
beforeEach(async () => {
  await empty();
  seat = await seedWorker(store);
  await told();
});

/** One that a worker took and ended. */
async function ended(state: "SUCCEEDED" | "FAILED", input: unknown = { n: 1 }): Promise<RayTaskExecution> {
  const held = await seedOneRunning(store, seat, { input: encodePayload(input), queue: "q", tags: ["a"] });
  const failed = { state, value: null, contentType: null, error: taskError() };
  await complete(store, seat.holder, [completion(held, state === "FAILED" ? failed : {})]);
  return await own.get(held.id);
}

async function running(): Promise<RayTaskExecution> {
  return await own.get((await seedOneRunning(store, seat, { queue: "q" })).id);
}

type Transaction = (body: (tx: CallerClient) => Promise<void>) => Promise<unknown>;
const CLIENTS: [name: string, backend: RayTaskBackend, begin: Transaction][] = [
  ["a connection of its own, in a postgres.js transaction", own, (body) => client.begin(body)],
  ["postgres.js", new RayTaskBackend({ client }), (body) => client.begin(body)],
  ["drizzle on postgres.js", new RayTaskBackend({ client: onPostgresJs }), (body) => onPostgresJs.transaction(body)],
  ["drizzle on node-postgres", new RayTaskBackend({ client: onPg }), (body) => onPg.transaction(body)],
];

interface Verb {
  readonly name: string;
  /** What it is done to. */
  readonly on: () => Promise<string>;
  readonly act: (backend: RayTaskBackend, id: string, options: { tx?: CallerClient }) => Promise<unknown>;
  /** What the others hear of it. */
  readonly tells: (id: string) => readonly string[];
  /** Whether it is done, for everybody to see. */
  readonly isDone: (id: string) => Promise<boolean>;
}

const stateOf = async (id: string) => (await readRow(sql, id))["state"];
const queued = async () => (await seedQueued(store, 1, { queue: "q", delaySeconds: 60 }))[0] ?? "";
const VERBS: Verb[] = [
  {
    name: "cancel of a queued one",
    on: queued,
    act: (backend, id, options) => backend.cancel(id, options),
    tells: (id) => [id],
    isDone: async (id) => (await stateOf(id)) === "CANCELLED",
  },
  {
    name: "cancel of a running one",
    on: async () => (await running()).id,
    act: (backend, id, options) => backend.cancel(id, options),
    tells: () => [seat.holder],
    isDone: async (id) => (await stateOf(id)) === "CANCELLING",
  },
  {
    name: "cancelMany",
    on: queued,
    act: (backend, id, options) => backend.cancelMany({ ids: [id] }, options),
    tells: (id) => [id],
    isDone: async (id) => (await stateOf(id)) === "CANCELLED",
  },
  {
    name: "retry",
    on: async () => (await ended("FAILED")).id,
    act: (backend, id, options) => backend.retry(id, options),
    tells: () => ["q"],
    isDone: async (id) => (await stateOf(id)) === "QUEUED",
  },
  {
    name: "rerun",
    on: async () => (await ended("SUCCEEDED")).id,
    act: (backend, id, options) => backend.rerun(id, options),
    tells: () => ["q"],
    isDone: async (id) => (await sql`select from rayferry.ray_task_execution where rerun_of = ${id}`).length === 1,
  },
  {
    name: "delete",
    on: async () => (await ended("SUCCEEDED")).id,
    act: (backend, id, options) => backend.delete(id, options),
    tells: () => [],
    isDone: async (id) => (await sql`select from rayferry.ray_task_execution where id = ${id}`).length === 0,
  },
  {
    name: "pause",
    on: async () => "q",
    act: (backend, id, options) => backend.pauseQueue(id, options),
    tells: () => [],
    isDone: async () => (await sql`select from rayferry.task_queue where paused_at is not null`).length === 1,
  },
  {
    name: "resume",
    on: async () => (await own.pauseQueue("q")).name,
    act: (backend, id, options) => backend.resumeQueue(id, options),
    tells: () => ["q"],
    isDone: async () => (await sql`select from rayferry.task_queue where paused_at is not null`).length === 0,
  },
];

describe.each(CLIENTS)("%s", (_name, backend, begin) => {
  test.each(VERBS)(
    "$name - is done, and others are told, when the transaction commits; neither when it rolls back",
    async (verb) => {
      const id = await verb.on();
      await told();
      const rolledBack = begin(async (tx) => {
        await verb.act(backend, id, { tx });
        throw new Error("no good");
      });
      await expect(rolledBack).rejects.toThrow("no good");
      expect([await verb.isDone(id), await told()]).toEqual([false, []]);
      await begin(async (tx) => {
        await verb.act(backend, id, { tx });
        expect([await verb.isDone(id), await told()]).toEqual([false, []]);
      });
      expect([await verb.isDone(id), await told()]).toEqual([true, verb.tells(id)]);
    },
  );

  test.each(VERBS)("$name - without a transaction is done at once", async (verb) => {
    const id = await verb.on();
    await told();
    await verb.act(backend, id, {});
    expect([await verb.isDone(id), await told()]).toEqual([true, verb.tells(id)]);
  });
});

describe("what can't be done - is refused with the state, and with what can be done instead", () => {
  const refused = async (act: Promise<unknown>, id: string, state: string, ...parts: string[]) => {
    const error: unknown = await act.then(
      () => null,
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(ExecutionStateError);
    expect(error).toMatchObject({ code: "EXECUTION_STATE", executionId: id, state });
    for (const part of parts) expect(String(error)).toContain(part);
  };

  test("retry", async () => {
    const done = await ended("SUCCEEDED");
    await refused(done.retry(), done.id, "SUCCEEDED", "its result stands", "rerun it");
    const held = await running();
    await refused(held.retry(), held.id, "RUNNING", "nothing to retry", "cancel it");
    await held.cancel();
    await refused(held.retry(), held.id, "CANCELLING", "Retry it when it is CANCELLED.");
    const waiting = await queued();
    await refused(own.retry(waiting), waiting, "QUEUED", "runs when a worker takes it");
    await expect(own.retry(randomUUID())).rejects.toThrow(ExecutionNotFoundError);
  });

  test("rerun and delete", async () => {
    const waiting = await queued();
    await refused(own.rerun(waiting), waiting, "QUEUED", "only what has ended is rerun", "cancel it first");
    await refused(own.delete(waiting), waiting, "QUEUED", "only what has ended is deleted", "Cancel it first.");
    const held = await running();
    await refused(held.rerun(), held.id, "RUNNING", "only what has ended is rerun");
    await refused(held.delete(), held.id, "RUNNING", "delete it when it has ended");
    expect([await stateOf(waiting), await stateOf(held.id)]).toEqual(["QUEUED", "RUNNING"]);
    for (const verb of ["rerun", "delete", "cancel"] as const)
      await expect(own[verb](randomUUID())).rejects.toThrow(ExecutionNotFoundError);
  });

  test.each<[string, () => Promise<unknown>, string]>([
    [
      "an option",
      () => own.cancel(randomUUID(), { raison: "x" } as never),
      'cancel has no option "raison". Did you mean "reason"?',
    ],
    ["a reason", () => own.pauseQueue("q", { reason: "a\0b" }), "reason must be a string without NUL"],
    ["an id", () => own.delete("7"), "is a UUID"],
    ["a rerun's id", () => own.rerun(randomUUID(), { id: "7" }), "is a UUID"],
    ["a queue", () => own.resumeQueue("a b"), "A queue's name must be"],
    ["a time", () => own.drain("w", { timeout: -1 }), "timeout must be a number of seconds"],
    ["a filter of stats", () => own.stats({ taks: "t" } as never), 'stats has no filter "taks". Did you mean "task"?'],
    ["another one", () => own.stats({ state: "QUEUED" } as never), "Filters: queue, task."],
    ["an item", () => own.enqueueMany([{ taks: "t" } as never]), 'items[0] has no key "taks". Did you mean "task"?'],
    [
      "an item's option in the wrong place",
      () => own.enqueueMany([{ task: "t" }, { task: "t", queue: "q" } as never]),
      'items[1] has no key "queue". Write it as { options: { queue: ... } }.',
    ],
    [
      "an item's option",
      () => own.enqueueMany([{ task: "t" }, { task: "t", options: { priority: 1.5 } }]),
      "items[1].options: priority must be a whole number",
    ],
    ["an item's task", () => own.enqueueMany([{ task: "t" }, { task: "" }]), "items[1]: A task is named by a string"],
    ["an item that is none", () => own.enqueueMany([null as never]), "items[0] must be { task, input, options }"],
    [
      "an item's own transaction",
      () => own.enqueueMany([{ task: "t", options: { tx: client } as never }]),
      "items[0].options has a tx. Give it once, for all: enqueueMany(items, { tx }).",
    ],
    [
      "an option for many",
      () => own.enqueueMany([{ task: "t" }], { tags: ["a"] } as never),
      'enqueueMany has no option "tags". Options: tx.',
    ],
    ["a transaction", () => own.retry(randomUUID(), { tx: {} as never }), "tx must be a postgres.js"],
    ["a client for a transaction", () => own.enqueue("t", {}, { tx: client }), "tx is a client, not a transaction"],
    ["a database for a transaction", () => own.enqueue("t", {}, { tx: onPg }), "tx is a client, not a transaction"],
    [
      "what JSON can't say",
      () => own.enqueue("t", {}, { timeout: Number.NaN }),
      "timeout must be a number of seconds, 0.001 or more and at most 1000000000, not NaN.",
    ],
    ["what JSON can't say within", () => own.enqueue("t", {}, { retry: { backoff: [1, Number.NaN] } }), "not NaN"],
    [
      "a function",
      () => own.enqueue("t", {}, { retry: { on: [TypeError] as never } }),
      "not [ [Function: TypeError] ]",
    ],
  ])("%s that can't be meant", async (_what, act, sentence) => {
    await expect(act()).rejects.toThrow(ConfigurationError);
    await expect(act()).rejects.toThrow(sentence);
  });
});

describe("rerun", () => {
  test("a chosen id - repeated it is one; one that is taken is refused", async () => {
    const old = await ended("SUCCEEDED", { raw: new Uint8Array([1, 2]), when: new Date(5) });
    const other = await ended("FAILED");
    const id = "0198C5A2-7F3E-7000-8000-0000000000AA";
    const [first, second] = [await old.rerun({ id }), await own.rerun(old.id, { id, input: { other: true } })];
    expect(first).toMatchObject({ id: id.toLowerCase(), rerunOf: old.id, state: "QUEUED", tags: ["a"] });
    expect(first.input).toEqual(old.input);
    expect(second.input).toEqual(old.input);
    await expect(own.rerun(other.id, { id })).rejects.toThrow(`exists already, and isn't a rerun of ${other.id}`);
    expect((await own.list({ tag: "a" })).map((each) => each.id)).toEqual([first.id, other.id, old.id]);
    expect(await own.list({ tag: "b" })).toEqual([]);
  });

  test("an input that no longer fits the task - is refused, the old one too", async () => {
    const old = await ended("SUCCEEDED", { n: 1 });
    const parameter = { name: "m", kind: "keyword_only", annotation: null, default: null, required: true } as const;
    const registered = { module: "t", kind: "function", queue: "default", num_cpus: 1, doc: null };
    await define(store, [{ name: "t.run", ...registered, parameters: [parameter] }]);
    const fresh = new RayTaskBackend({ databaseUrl: url });
    await expect(fresh.rerun(old.id)).rejects.toThrow(InvalidInputError);
    await expect(fresh.rerun(old.id, { input: { k: 1 } })).rejects.toThrow('unexpected argument "k"');
    expect((await fresh.rerun(old.id, { input: { m: 1 } })).input).toEqual({ m: 1 });
    await fresh.close();
  });
});

test("queues - instants as dates, counts as numbers", async () => {
  await own.pauseQueue("q", { reason: "why" });
  await queued();
  const counts = { ready: 0, scheduled: 1, held: 0, workers: 0 };
  expect((await own.queues()).find(({ name }) => name === "q")).toEqual({
    name: "q",
    pausedAt: expect.any(Date),
    pauseReason: "why",
    ...counts,
  });
});
