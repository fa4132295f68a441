/** What follows an attempt that ended: from Python's `raise` to the row, without Ray. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type EnqueueOptions, ExecutionFailedError, RayTaskBackend, type RayTaskExecution } from "../../src/index.ts";
import type { Worker } from "../../src/worker/index.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { syncWorker, temporaryFolder } from "../support/sync-worker.ts";
import { waitFor } from "../support/wait-for.ts";

describe("an attempt that ended", () => {
  let database: TestDatabase;
  let backend: RayTaskBackend;
  let worker: Worker;
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let count = 0;

  beforeAll(async () => {
    folder = await temporaryFolder();
    database = await createTestDatabase();
    backend = new RayTaskBackend({ databaseUrl: database.url });
    worker = syncWorker(database.url, { tasks: ["retry_tasks", "sample_tasks"], concurrency: 4 });
    await worker.start();
  });

  afterAll(async () => {
    await worker?.stop(0);
    await backend?.close();
    await database?.drop();
    await folder?.remove();
  });

  /** With a file of its own to count in. */
  async function run(task: string, input: object = {}, options: EnqueueOptions = {}) {
    count += 1;
    const path = join(folder.path, `tries-${count}`);
    const execution = await backend.enqueue(task, { path, ...input }, options);
    return { execution, tries: async () => (await readFile(path)).length };
  }

  const failure = (execution: RayTaskExecution) =>
    execution.result({ timeout: 10 }).then(
      () => expect.fail("It succeeded."),
      (error: ExecutionFailedError) => error,
    );
  const told = async ({ id }: RayTaskExecution) =>
    (await backend.attempts(id)).map(({ attempt, outcome, why }) => [attempt, outcome, why]);

  test("fails twice, then succeeds - each on record, with why and how long", async () => {
    const { execution } = await run("retry.third_time");
    expect(await execution.result({ timeout: 10 })).toBe(3);
    expect(await execution.refresh()).toMatchObject({ state: "SUCCEEDED", attempt: 3, maxAttempts: 5, error: null });
    expect(await told(execution)).toEqual([
      [1, "FAILED", "ValueError: not yet: 1"],
      [2, "FAILED", "ValueError: not yet: 2"],
      [3, "SUCCEEDED", null],
    ]);
    const [first] = await backend.attempts(execution.id);
    expect(first?.error?.traceback).toContain("raise ValueError");
    expect(first?.runSeconds).toBeGreaterThanOrEqual(0);
    expect(first?.pid).toBeGreaterThan(0);
  });

  test("while it waits, it says for which attempt, how long, and after what", async () => {
    const retry = { backoff: 3600, jitter: false, maxDelay: 7200 };
    const { execution } = await run("retry.third_time", {}, { maxAttempts: 2, retry });
    await waitFor("it waits", async () => (await execution.refresh()).waitReason !== null);
    expect(await execution.refresh()).toMatchObject({
      ...{ state: "QUEUED", attempt: 1, error: null, startedAt: null, pid: null },
      waitReason: "Attempt 2 of 2 in 3600 s after ValueError: not yet: 1",
    });
    expect((await execution.cancel()).state).toBe("CANCELLED");
    expect(await told(execution)).toEqual([[1, "FAILED", "ValueError: not yet: 1"]]);
  });

  test("the last one fails - FAILED by its error", async () => {
    const { execution, tries } = await run("retry.third_time", {}, { maxAttempts: 2, retry: { backoff: 0 } });
    const error = await failure(execution);
    expect(error).toBeInstanceOf(ExecutionFailedError);
    expect(error.message).toBe(`ValueError: not yet: 2 (task retry.third_time, execution ${execution.id})`);
    expect(await tries()).toBe(2);
  });

  test("without a word on attempts - one, and no second row", async () => {
    const execution = await backend.enqueue("sample.fail", { message: "once" });
    await failure(execution);
    expect(await execution.refresh()).toMatchObject({ attempt: 1, maxAttempts: 1 });
    expect(await told(execution)).toEqual([[1, "FAILED", "ValueError: once"]]);
  });

  test("retry_on names a base class - what derives from it is tried again, another error isn't", async () => {
    const busy = await run("retry.by_base", { kind: "busy" });
    expect(await busy.execution.result({ timeout: 10 })).toBe(3);
    expect(await told(busy.execution)).toEqual([
      [1, "FAILED", "retry_tasks.Busy: the first time"],
      [2, "SUCCEEDED", null],
    ]);
    const value = await run("retry.by_base", { kind: "value" });
    expect((await failure(value.execution)).error.message).toBe("the first time");
    expect(await value.tries()).toBe(1);
  });

  test("retry.on and neverOn of the call - over the task's", async () => {
    const on = { retry: { on: ["ValueError"] } };
    expect(await (await run("retry.by_base", { kind: "value" }, on)).execution.result({ timeout: 10 })).toBe(3);
    const never = await run("retry.by_base", { kind: "busy" }, { retry: { neverOn: ["Busy"] } });
    await failure(never.execution);
    expect(await never.tries()).toBe(1);
  });

  test("NoRetry - FAILED at once", async () => {
    const { execution, tries } = await run("retry.never");
    const error = await failure(execution);
    expect(error.error).toMatchObject({ type: "rayferry.errors.NoRetry", message: "the order was withdrawn" });
    expect(await tries()).toBe(1);
    expect(await execution.refresh()).toMatchObject({ attempt: 1, maxAttempts: 3 });
  });

  test("Retry(after) - after that and not by the backoff, though its class is never to be tried again", async () => {
    const { execution } = await run("retry.later");
    expect(await execution.result({ timeout: 10 })).toBe("later");
    const [first, second] = await backend.attempts(execution.id);
    const waited = (second?.claimedAt?.getTime() ?? 0) - (first?.finishedAt?.getTime() ?? 0);
    expect(waited).toBeGreaterThanOrEqual(300);
    expect(waited).toBeLessThan(3_000);
  });

  test("Snooze - again and again, with one attempt", async () => {
    const { execution } = await run("retry.snooze");
    expect(await execution.result({ timeout: 10 })).toBe(5);
    expect(await execution.refresh()).toMatchObject({ attempt: 1, maxAttempts: 1, infrastructureLosses: 0 });
    expect((await told(execution)).map(([attempt, outcome]) => [attempt, outcome])).toEqual([
      ...Array(3).fill([1, "SNOOZED"]),
      [1, "SUCCEEDED"],
    ]);
  });

  test("a timeout - TIMED_OUT on record, and tried again", async () => {
    const { execution } = await run("retry.slow_first");
    expect(await execution.result({ timeout: 10 })).toBe("in time");
    const [first, second] = await backend.attempts(execution.id);
    expect(first).toMatchObject({ outcome: "TIMED_OUT", error: { code: "Timeout" } });
    expect(first?.why).toContain("SoftTimeout");
    expect(first?.runSeconds).toBeGreaterThanOrEqual(0.5);
    expect(second).toMatchObject({ outcome: "SUCCEEDED", attempt: 2 });
  });

  test("a timeout of the call, the last attempt - FAILED (Timeout), and the attempt TIMED_OUT", async () => {
    const { execution } = await run("retry.slow_first", {}, { maxAttempts: 1, timeout: 0.1 });
    expect((await failure(execution)).error.code).toBe("Timeout");
    expect((await told(execution)).map(([, outcome]) => outcome)).toEqual(["TIMED_OUT"]);
  });

  test("a result that is too large - never tried again", async () => {
    const execution = await backend.enqueue("sample.bytes", { size: 9 * 1024 * 1024 }, { maxAttempts: 3 });
    expect((await failure(execution)).error.code).toBe("ResultTooLarge");
    expect(await execution.refresh()).toMatchObject({ attempt: 1 });
  });
});
