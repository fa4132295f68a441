/** The library against a real Postgres, with nobody there to run anything. */
import { drizzle as drizzleNodePg } from "drizzle-orm/node-postgres";
import { drizzle } from "drizzle-orm/postgres-js";
import pg from "pg";
import postgres from "postgres";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  ClosedError,
  ConfigurationError,
  defineTask,
  ExecutionCancelledError,
  ExecutionNotFoundError,
  OptionNotSupportedError,
  PayloadNotSerializableError,
  PayloadTooLargeError,
  RayTaskBackend,
  ResultTimeoutError,
} from "../src/index.ts";
import { connect } from "../src/store/connection.ts";
import { define } from "../src/store/definitions.ts";
import { rayTaskExecution } from "../src/store/schema.ts";
import { createTestDatabase, type TestDatabase } from "./support/database.ts";
import { AS_A_VERB } from "./support/seed.ts";

describe("RayTaskBackend", () => {
  let database: TestDatabase;
  let backend: RayTaskBackend;
  let sql: postgres.Sql;

  beforeAll(async () => {
    database = await createTestDatabase();
    backend = new RayTaskBackend({ databaseUrl: database.url });
    sql = postgres(database.url, { max: 3, onnotice: () => {}, connection: AS_A_VERB });
    await sql`create table orders (id int primary key)`;
  });

  afterAll(async () => {
    await backend?.close();
    await sql?.end();
    await database?.drop();
  });

  /** Ends an execution as a worker would have. */
  const succeed = (id: string, value: unknown) =>
    sql`update rayferry.ray_task_execution set state = 'SUCCEEDED', result = ${JSON.stringify(value)}::text::jsonb, result_content_type = 'application/json', finished_at = now() where id = ${id}`;
  const count = async (task: string) => (await backend.list({ task })).length;

  test("enqueue - what it returns is what was written", async () => {
    const execution = await backend.enqueue(
      "a.task",
      { x: 1 },
      { queue: "q", priority: 7, tags: ["t"], metadata: { by: "me" } },
    );
    const { state, queue, priority, tags, metadata, attempt, maxAttempts } = execution;
    expect({ state, queue, priority, tags, metadata, attempt, maxAttempts }).toEqual({
      state: "QUEUED",
      queue: "q",
      priority: 7,
      tags: ["t"],
      metadata: { by: "me" },
      attempt: 0,
      maxAttempts: null,
    });
    expect(JSON.stringify(await execution.refresh())).toBe(JSON.stringify(execution));
  });

  test("enqueue - metadata is kept as an input would be", async () => {
    const metadata = { tried: new Map([["a", new Set([1n])]]), by: { toJSON: () => "me" } };
    const execution = await backend.enqueue("a.task", {}, { metadata });
    expect(execution.metadata).toEqual({ tried: { a: [1] }, by: "me" });
    expect((await execution.refresh()).metadata).toEqual(execution.metadata);
  });

  test("enqueue - the same id twice is one execution", async () => {
    const id = "0198c5a2-7f3e-7000-8000-000000000001";
    await backend.enqueue("twice", { x: 1 }, { id });
    const again = await backend.enqueue("twice", { x: 2 }, { id });
    expect(again.id).toBe(id);
    expect(again.input).toEqual({ x: 1 });
    await succeed(id, 1);
    expect((await backend.enqueue("twice", { x: 2 }, { id })).state).toBe("SUCCEEDED");
  });

  test("enqueue - retries and times of the call, what it returns is what was written", async () => {
    const retry = { backoff: [1, 60], maxDelay: 30, jitter: false, on: ["OSError"], neverOn: ["shop.Busy"], losses: 2 };
    const options = { maxAttempts: 4, retry, timeout: 1.5, queueTimeout: 60 };
    const execution = await backend.enqueue("with.terms", {}, options);
    expect(execution).toMatchObject({ maxAttempts: 4, retryPolicy: retry, timeoutSeconds: 1.5 });
    expect(execution.expiresAt?.getTime()).toBe(execution.runAt.getTime() + 60_000);
    expect(await execution.refresh()).toEqual(execution);
  });

  test("enqueue - without a word on retries, the default policy is shown", async () => {
    const execution = await backend.enqueue("without.terms");
    expect(execution).toMatchObject({ maxAttempts: null, timeoutSeconds: null, expiresAt: null });
    expect(execution.retryPolicy).toEqual({
      backoff: { first: 1, factor: 2 },
      ...{ maxDelay: 300, jitter: true, on: null, neverOn: [], losses: 10 },
    });
  });

  test("enqueue - each key of the call over the task's own", async () => {
    const task = {
      name: "own.terms",
      module: "m",
      kind: "function",
      queue: "default",
      num_cpus: 1,
      doc: null,
      parameters: [],
    };
    const own = { max_attempts: 9, retry: { max_seconds: 7, on: ["A"] }, timeout_seconds: 3, queue_timeout_seconds: 5 };
    const store = connect({ databaseUrl: database.url });
    await define(store, [{ ...task, ...own }]);
    await store.close();
    // Of its own, for it remembers that there are registered tasks.
    await using other = new RayTaskBackend({ databaseUrl: database.url });
    const execution = await other.enqueue("own.terms", {}, { retry: { on: ["B"], backoff: 2 }, queueTimeout: 50 });
    expect(execution).toMatchObject({
      ...{ maxAttempts: 9, timeoutSeconds: 3 },
      retryPolicy: { maxDelay: 7, on: ["B"], backoff: 2 },
      expiresAt: new Date(execution.runAt.getTime() + 50_000),
    });
    await sql`delete from rayferry.task_definition`;
  });

  test("enqueue - a defined task ties input and result", async () => {
    const add = defineTask<{ a: number }, number>("typed.add");
    const execution = await backend.enqueue(add, { a: 1 });
    await succeed(execution.id, 5);
    const value: number = await execution.result();
    expect(value).toBe(5);
    // @ts-expect-error: the input's type is the task's
    await backend.enqueue(add, { b: 1 });
  });

  test.each([
    [{ uniqueKey: "k" }, OptionNotSupportedError, '"uniqueKey"'],
    [{ timeout: 0 }, ConfigurationError, "timeout must be a number of seconds"],
    [{ retry: { backoff: "5" } }, ConfigurationError, "retry.backoff must be a number of seconds"],
    [{ prioritty: 1 }, ConfigurationError, 'Did you mean "priority"?'],
    [{ runAt: new Date("x") }, ConfigurationError, "runAt must be a valid Date"],
    [{ runAt: new Date(), delay: 1 }, ConfigurationError, "not both"],
    [{ id: "7" }, ConfigurationError, "is a UUID"],
    [{ tx: {} }, ConfigurationError, "postgres.js"],
  ])("enqueue with %o - is refused, never ignored", async (options, type, sentence) => {
    const refused = backend.enqueue("refused", {}, options as object);
    await expect(refused).rejects.toThrow(type);
    await expect(refused).rejects.toThrow(sentence);
    expect(await count("refused")).toBe(0);
  });

  test.each([
    ["a function", { f: () => 1 }, PayloadNotSerializableError, "input.f is a function"],
    ["a cycle", cycle(), PayloadNotSerializableError, "input.self is a reference to one of its own parents"],
    ["too much", { text: "x".repeat(1024 * 1024) }, PayloadTooLargeError, "more than the 1,048,576 allowed"],
  ])("enqueue of %s - is refused with the path", async (_name, input, type, sentence) => {
    const refused = backend.enqueue("refused", input);
    await expect(refused).rejects.toThrow(type);
    await expect(refused).rejects.toThrow(sentence);
    expect(await count("refused")).toBe(0);
  });

  test("enqueueMany - all or none", async () => {
    const items = [
      { task: "many", input: { n: 1 } },
      { task: "many", input: { n: Symbol() } },
    ];
    await expect(backend.enqueueMany(items)).rejects.toThrow("items[1].input.n");
    expect(await count("many")).toBe(0);
    const written = await backend.enqueueMany(Array.from({ length: 100 }, (_, n) => ({ task: "many", input: { n } })));
    expect(written.map((each) => each.input)).toEqual(Array.from({ length: 100 }, (_, n) => ({ n })));
    expect(await backend.enqueueMany([])).toEqual([]);
  });

  test("a postgres.js transaction - commits and rolls back with the caller's rows", async () => {
    const failed = sql.begin(async (tx) => {
      await tx`insert into orders values (1)`;
      await backend.enqueue("in.tx", { order: 1 }, { tx });
      throw new Error("no");
    });
    await expect(failed).rejects.toThrow("no");
    expect(await count("in.tx")).toBe(0);
    await sql.begin(async (tx) => {
      await tx`insert into orders values (1)`;
      await backend.enqueue("in.tx", { order: 1 }, { tx });
      expect(await count("in.tx")).toBe(0);
    });
    expect(await count("in.tx")).toBe(1);
  });

  test("a pool whose only connection is in the transaction - is not waited for", async () => {
    const single = postgres(database.url, { max: 1, onnotice: () => {} });
    const borrowed = new RayTaskBackend({ client: single });
    const execution = await single.begin((tx) => borrowed.enqueue("single", {}, { tx }));
    expect((await borrowed.get(execution.id)).state).toBe("QUEUED");
    await borrowed.close();
    await single.end();
  });

  test("a drizzle transaction - commits and rolls back, on postgres.js and on node-postgres", async () => {
    const pool = new pg.Pool({ connectionString: database.url, max: 2 });
    for (const db of [drizzle(sql), drizzleNodePg(pool)]) {
      const before = await count("in.drizzle");
      const failed = db.transaction(async (tx: Parameters<Parameters<typeof db.transaction>[0]>[0]) => {
        await backend.enqueueMany([{ task: "in.drizzle", input: { text: "it's $1 ☃" } }], { tx });
        throw new Error("no");
      });
      await expect(failed).rejects.toThrow("no");
      expect(await count("in.drizzle")).toBe(before);
      const [execution] = await db.transaction((tx: Parameters<Parameters<typeof db.transaction>[0]>[0]) =>
        backend.enqueueMany([{ task: "in.drizzle", input: { text: "it's $1 ☃" } }], { tx }),
      );
      expect((await backend.get(execution?.id ?? "")).input).toEqual({ text: "it's $1 ☃" });
    }
    await pool.end();
  });

  test("a client of the caller's - does everything, and stays open", async () => {
    const pool = new pg.Pool({ connectionString: database.url, max: 2 });
    for (const client of [sql, drizzle(sql), drizzleNodePg(pool)]) {
      const borrowed = new RayTaskBackend({ client });
      const execution = await borrowed.enqueue("borrowed", { when: new Date(5) }, { delay: 60 });
      const result = execution.result({ timeout: 10 });
      await succeed(execution.id, { done: true });
      expect(await result).toEqual({ done: true });
      const read = await borrowed.get(execution.id);
      expect(read.input).toEqual({ when: new Date(5) });
      expect(read.runAt.getTime() - read.createdAt.getTime()).toBe(60_000);
      expect((await borrowed.stats()).SUCCEEDED).toBeGreaterThan(0);
      await borrowed.close();
    }
    expect(await sql`select 1 as one`).toEqual([{ one: 1 }]);
    await pool.end();
  });

  test("the tables - are drizzle's to query", async () => {
    const rows = await drizzle(sql).select({ task: rayTaskExecution.task }).from(rayTaskExecution).limit(1);
    expect(rows).toHaveLength(1);
  });

  test("result - many waiters of one execution, woken by its end", async () => {
    const execution = await backend.enqueue("waited", {});
    const waiting = [execution.result(), execution.result(), (await backend.get(execution.id)).result()];
    await succeed(execution.id, 1);
    await sql`select pg_notify('rayferry_finished', ${execution.id})`;
    expect(await Promise.all(waiting)).toEqual([1, 1, 1]);
  });

  test("result - a lost notification costs a poll, not the result", async () => {
    const execution = await backend.enqueue("polled", {});
    const waiting = execution.result({ timeout: 10 });
    await succeed(execution.id, 2);
    expect(await waiting).toBe(2);
  });

  test("result - a timeout and an abort end the waiting alone", async () => {
    const execution = await backend.enqueue("patient", {});
    await expect(execution.result({ timeout: 0.05 })).rejects.toThrow(ResultTimeoutError);
    const controller = new AbortController();
    const waiting = execution.result({ signal: controller.signal });
    controller.abort(new Error("enough"));
    await expect(waiting).rejects.toThrow("enough");
    expect((await execution.refresh()).state).toBe("QUEUED");
  });

  test("result - a timeout that no timer can be set to is for ever, a negative one is refused", async () => {
    const execution = await backend.enqueue("for.ever", {});
    const waiting = execution.result({ timeout: Number.POSITIVE_INFINITY });
    await succeed(execution.id, 3);
    expect(await waiting).toBe(3);
    await expect(execution.result({ timeout: -1 })).rejects.toThrow(ConfigurationError);
    await expect(execution.result({ timeout: Number.NaN })).rejects.toThrow(ConfigurationError);
  });

  test("result - of what was never written is an error, not a wait", async () => {
    const ghost = sql.begin(async (tx) => {
      const execution = await backend.enqueue("ghost", {}, { tx });
      await expect(execution.result()).rejects.toThrow(ExecutionNotFoundError);
    });
    await ghost;
  });

  test("cancel - a queued one at once, an ended one not at all, a missing one is an error", async () => {
    const execution = await backend.enqueue("cancelled", {});
    const waiting = execution.result().catch((error: unknown) => error);
    const ended = await execution.cancel({ reason: "changed my mind" });
    expect(ended).toMatchObject({ state: "CANCELLED", cancelReason: "changed my mind" });
    expect(await waiting).toBeInstanceOf(ExecutionCancelledError);
    expect(String(await waiting)).toContain("changed my mind");
    expect((await execution.cancel()).state).toBe("CANCELLED");
    await expect(backend.cancel("0198c5a2-7f3e-7000-8000-0000000000ff")).rejects.toThrow(ExecutionNotFoundError);
  });

  test("list - pages without gaps", async () => {
    await backend.enqueueMany(Array.from({ length: 5 }, (_, n) => ({ task: "paged", input: { n } })));
    const first = await backend.list({ task: "paged", limit: 3 });
    const second = await backend.list({ task: "paged", limit: 3, after: first.at(-1)?.id ?? "" });
    expect([...first, ...second].map((each) => (each.input as { n: number }).n)).toEqual([4, 3, 2, 1, 0]);
    const [last] = second.slice(-1);
    expect(await backend.list({ task: "paged", after: last?.id ?? "" })).toEqual([]);
    await last?.cancel();
    await last?.delete();
    const gone = backend.list({ task: "paged", after: last?.id ?? "" });
    await expect(gone).rejects.toThrow(ExecutionNotFoundError);
    await expect(gone).rejects.toThrow("it was removed, or was never there. Begin again without after.");
  });

  test("a closed backend - says so, to waiters too", async () => {
    const closing = new RayTaskBackend({ databaseUrl: database.url });
    const execution = await closing.enqueue("left", {});
    const waiting = expect(execution.result()).rejects.toThrow(ClosedError);
    await closing.close();
    await waiting;
    await expect(closing.enqueue("left", {})).rejects.toThrow(ClosedError);
    await closing.close();
  });

  test.each([
    [{ databaseURL: "x" }, 'Did you mean "databaseUrl"?'],
    [{ databaseUrl: "mysql://h/x" }, "must look like postgres://"],
    [{ databaseUrl: "postgres://h/x", schema: "Bad Name" }, "lower-case identifier"],
  ])("new RayTaskBackend(%o) - is refused", (options, sentence) => {
    expect(() => new RayTaskBackend(options as object)).toThrow(sentence);
  });
});

function cycle(): object {
  const value: Record<string, unknown> = {};
  value["self"] = value;
  return value;
}
