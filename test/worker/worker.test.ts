/** The whole path without Ray: library, Postgres, worker, ZeroMQ, sidecar and back. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import postgres from "postgres";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  ExecutionCancelledError,
  ExecutionFailedError,
  InvalidInputError,
  RayTaskBackend,
  ResultTimeoutError,
  UnknownTaskError,
  WorkerNameTakenError,
} from "../../src/index.ts";
import type { Worker } from "../../src/worker/index.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { syncWorker, temporaryFolder } from "../support/sync-worker.ts";
import { waitFor } from "../support/wait-for.ts";

describe("a worker with a sidecar", () => {
  let database: TestDatabase;
  let backend: RayTaskBackend;
  let worker: Worker;
  let sql: postgres.Sql;
  let sidecarPid = 0;
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;

  beforeAll(async () => {
    folder = await temporaryFolder();
    database = await createTestDatabase();
    sql = postgres(database.url, { max: 2, onnotice: () => {} });
    backend = new RayTaskBackend({ databaseUrl: database.url });
    worker = syncWorker(database.url, { tasks: ["sample_tasks", "broken_tasks"], concurrency: 4 });
    await worker.start((ready) => {
      sidecarPid = ready.sidecarPid ?? 0;
    });
  });

  afterAll(async () => {
    await worker?.stop(0);
    await backend?.close();
    await sql?.end();
    await database?.drop();
    await folder?.remove();
  });

  test("keyword arguments - the result is Python's return value", async () => {
    const execution = await backend.enqueue("sample.add", { a: 40 });
    expect(await execution.result({ timeout: 10 })).toBe(42);
    const ended = await execution.refresh();
    expect(ended).toMatchObject({ state: "SUCCEEDED", attempt: 1, pid: sidecarPid, worker: worker.settings.name });
    expect(ended.startedAt?.getTime()).toBeLessThanOrEqual(ended.finishedAt?.getTime() ?? 0);
  });

  test("positional arguments - are passed in order", async () => {
    expect(await (await backend.enqueue("sample.add", [1, 5])).result({ timeout: 10 })).toBe(6);
  });

  test.each([
    ["null", null],
    ["nested JSON", { list: [1, 2.5, "three", null, true], deep: { er: { est: [] } } }],
    ["unicode", "snow ☃ and 🚢"],
    ["bytes", new Uint8Array([0, 1, 255])],
    ["NaN", Number.NaN],
    ["a date", new Date("2026-01-02T03:04:05.678Z")],
    ["a bigint", 2n ** 60n],
    ["a string with NUL", "a\0b"],
  ])("%s - comes back as it went", async (_name, value) => {
    const execution = await backend.enqueue("sample.echo", { value });
    expect(await execution.result({ timeout: 10 })).toEqual(value);
    expect((await execution.refresh()).input).toEqual({ value });
  });

  test("a task that raises - its type, message and traceback come back", async () => {
    const execution = await backend.enqueue("sample.fail", { message: "no more disk" });
    const error = await execution.result({ timeout: 10 }).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(ExecutionFailedError);
    expect(error).toMatchObject({ pythonType: "ValueError", pythonMessage: "no more disk", executionId: execution.id });
    const { traceback } = error as ExecutionFailedError;
    expect(traceback).toContain("raise ValueError(message)");
    expect(traceback).not.toContain("python/rayferry");
  });

  test("arguments that don't fit - are refused at enqueue", async () => {
    await expect(backend.enqueue("sample.add", { a: 1, c: 2 })).rejects.toThrow(InvalidInputError);
    await expect(backend.enqueue("sample.add", {})).rejects.toThrow('missing 1 required argument(s): "a"');
  });

  test("a mistyped task - is refused at enqueue with the name that was meant", async () => {
    const refused = backend.enqueue("sample.ad", { a: 1 });
    await expect(refused).rejects.toThrow(UnknownTaskError);
    await expect(refused).rejects.toThrow('Did you mean "sample.add"?');
  });

  test("arguments that got past the library - end FAILED as InvalidInput", async () => {
    const [row] =
      await sql`insert into rayferry.ray_task_execution (task, input) values ('sample.add', '{"wrong": 1}') returning id`;
    await waitFor("it ends", async () => (await backend.get(row?.["id"])).state === "FAILED");
    expect((await backend.get(row?.["id"])).error).toMatchObject({ code: "InvalidInput", type: "InvalidInput" });
  });

  test("a task that nobody knows - is handed back with the reason and uses no attempt", async () => {
    const [row] = await sql`insert into rayferry.ray_task_execution (task) values ('nobody.knows') returning id`;
    await waitFor("it is handed back", async () => (await backend.get(row?.["id"])).waitReason !== null);
    const execution = await backend.get(row?.["id"]);
    expect(execution).toMatchObject({ state: "QUEUED", attempt: 0 });
    expect(execution.waitReason).toBe(`Worker ${worker.settings.name} doesn't know the task "nobody.knows".`);
    await execution.cancel();
  });

  test("a queued execution - is cancelled at once", async () => {
    const execution = await backend.enqueue("sample.add", { a: 1 }, { delay: 3600 });
    expect((await execution.cancel({ reason: "not needed" })).state).toBe("CANCELLED");
    await expect(execution.result({ timeout: 5 })).rejects.toThrow(ExecutionCancelledError);
  });

  test("one that waits in the sidecar - is cancelled without having run", async () => {
    const gate = join(folder.path, "gate");
    const journal = join(folder.path, "journal");
    const first = await backend.enqueue("sample.wait_for_file", { path: gate });
    const second = await backend.enqueue("sample.note", { path: journal, line: "ran" });
    await waitFor("both are held", async () => (await second.refresh()).state === "RUNNING");
    await second.cancel();
    await expect(second.result({ timeout: 10 })).rejects.toThrow(ExecutionCancelledError);
    await writeFile(gate, "");
    expect(await first.result({ timeout: 10 })).toBe(sidecarPid);
    await expect(readFile(journal)).rejects.toThrow("ENOENT");
  });

  test("a row written by hand - runs, with nothing but its task and input", async () => {
    const [row] =
      await sql`insert into rayferry.ray_task_execution (task, input) values ('sample.add', '{"a": 40}') returning id`;
    expect(await (await backend.get(row?.["id"])).result({ timeout: 10 })).toBe(42);
  });

  test("retried and rerun - it runs again, with both on record", async () => {
    const execution = await backend.enqueue("sample.fail", { message: "no" });
    await expect(execution.result({ timeout: 10 })).rejects.toThrow("no");
    await expect((await execution.retry()).result({ timeout: 10 })).rejects.toThrow("no");
    expect((await backend.attempts(execution.id)).map(({ attempt, outcome }) => [attempt, outcome])).toEqual([
      [1, "FAILED"],
      [2, "FAILED"],
    ]);
    const rerun = await execution.rerun({ input: { message: "again" } });
    await expect(rerun.result({ timeout: 10 })).rejects.toThrow("again");
    // Not its attempt: the worker may have claimed it before it was read.
    expect(rerun.rerunOf).toBe(execution.id);
    await execution.delete();
    await expect(execution.refresh()).rejects.toThrow("There is no execution");
  });

  test("a paused queue - is left alone, and goes on at once when it is resumed", async () => {
    await backend.pauseQueue("default", { reason: "a test" });
    const execution = await backend.enqueue("sample.add", { a: 1 });
    await expect(execution.result({ timeout: 0.3 })).rejects.toThrow(ResultTimeoutError);
    expect((await execution.refresh()).waitReason).toContain('The queue "default" is paused: a test');
    const resumed = performance.now();
    expect(await backend.resumeQueue("default")).toBe(true);
    expect(await execution.result({ timeout: 10 })).toBe(3);
    // Woken: a poll would have taken seconds.
    expect(performance.now() - resumed).toBeLessThan(2_000);
  });

  test("one that can't be interrupted and returns - is recorded as what it did", async () => {
    const gate = join(folder.path, "gate-2");
    const execution = await backend.enqueue("sample.wait_for_file", { path: gate });
    await waitFor("it runs", async () => (await execution.refresh()).state === "RUNNING");
    expect((await execution.cancel()).state).toBe("CANCELLING");
    await writeFile(gate, "");
    expect(await execution.result({ timeout: 10 })).toBe(sidecarPid);
  });

  test("a delayed one - starts when it is due, not before", async () => {
    const execution = await backend.enqueue("sample.add", { a: 1 }, { delay: 0.7 });
    await execution.result({ timeout: 10 });
    const { runAt, claimedAt } = await execution.refresh();
    const late = (claimedAt?.getTime() ?? 0) - runAt.getTime();
    expect(late).toBeGreaterThanOrEqual(0);
    expect(late).toBeLessThan(1_000);
  });

  test("many at once - all come back, each with its own", async () => {
    const items = Array.from({ length: 500 }, (_, index) => ({ task: "sample.add", input: { a: index, b: 0 } }));
    const executions = await backend.enqueueMany(items);
    const results = await Promise.all(executions.map((execution) => execution.result({ timeout: 30 })));
    expect(results).toEqual(items.map((_, index) => index));
  });

  test("a task of another queue - waits for a worker of that queue", async () => {
    const execution = await backend.enqueue("sample.other_queue");
    expect(execution.queue).toBe("other");
    await (await backend.enqueue("sample.add", { a: 1 })).result({ timeout: 10 });
    expect((await execution.refresh()).state).toBe("QUEUED");
    await execution.cancel();
  });

  test("a result over the limit - ends FAILED as ResultTooLarge", async () => {
    const execution = await backend.enqueue("sample.bytes", { size: 9 * 1024 * 1024 });
    await expect(execution.result({ timeout: 10 })).rejects.toMatchObject({ error: { code: "ResultTooLarge" } });
  });

  test("a second worker of the same name - is refused with the first one's pid", async () => {
    const second = syncWorker(database.url, { name: worker.settings.name });
    await expect(second.start()).rejects.toThrow(WorkerNameTakenError);
    await expect(syncWorker(database.url, { name: worker.settings.name }).start()).rejects.toThrow(
      `pid ${process.pid}`,
    );
  });
});

describe("a worker that has no task", () => {
  test.each([
    ["a module that isn't there", "no_such_module", "There is no module 'no_such_module'"],
    ["a module that can't be imported", "broken_tasks", "No module named 'module_that_is_not_there'"],
  ])("%s - keeps it from starting, in a sentence", async (_what, module, sentence) => {
    const database = await createTestDatabase();
    const worker = syncWorker(database.url, { tasks: [module] });
    const refused = await worker.start().catch((error: unknown) => error);
    expect(refused).toMatchObject({ code: "SIDECAR", reason: "NO_TASKS" });
    expect(String(refused)).toContain(sentence);
    await database.drop();
  });
});
