/** `queueTimeout`, wherever an execution waits when its deadline comes. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import postgres from "postgres";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ExecutionExpiredError, RayTaskBackend, type RayTaskExecution } from "../../src/index.ts";
import type { Worker } from "../../src/worker/index.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { AS_A_VERB } from "../support/seed.ts";
import { syncWorker, temporaryFolder } from "../support/sync-worker.ts";
import { waitFor } from "../support/wait-for.ts";

let database: TestDatabase;
let backend: RayTaskBackend;
let sql: postgres.Sql;
let folder: Awaited<ReturnType<typeof temporaryFolder>>;

beforeAll(async () => {
  folder = await temporaryFolder();
  database = await createTestDatabase();
  sql = postgres(database.url, { max: 2, onnotice: () => {}, connection: AS_A_VERB });
  backend = new RayTaskBackend({ databaseUrl: database.url });
});

afterAll(async () => {
  await backend?.close();
  await sql?.end();
  await database?.drop();
  await folder?.remove();
});

/** Milliseconds from the deadline to the end, by the database's clock. */
async function lateness({ id }: RayTaskExecution): Promise<number> {
  const [row] = await sql`select extract(epoch from finished_at - expires_at)::float8 * 1000 as late
    from rayferry.ray_task_execution where id = ${id} and state = 'EXPIRED'`;
  return row === undefined ? expect.fail("It isn't EXPIRED.") : Number(row["late"]);
}

describe("with a worker", () => {
  let worker: Worker;

  beforeAll(async () => {
    worker = syncWorker(database.url, { concurrency: 2 });
    await worker.start();
  });

  afterAll(async () => {
    await worker?.stop(0);
  });

  test("in a queue that no worker takes from - EXPIRED within a second of its deadline, and who waits is told", async () => {
    const execution = await backend.enqueue("sample.add", { a: 1 }, { queue: "nobodys", queueTimeout: 0.6 });
    const error = await execution.result({ timeout: 10 }).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(ExecutionExpiredError);
    expect(String(error)).toContain(`before its deadline, ${execution.expiresAt?.toISOString()}`);
    const late = await lateness(execution);
    expect(late).toBeGreaterThanOrEqual(0);
    expect(late).toBeLessThan(1_000);
  });

  test("held and not begun - withdrawn at its deadline; one that has begun goes on beyond its own", async () => {
    const gate = join(folder.path, "gate");
    const first = await backend.enqueue("sample.wait_for_file", { path: gate }, { queueTimeout: 1 });
    await waitFor("it is held", async () => (await first.refresh()).state === "RUNNING");
    const second = await backend.enqueue("sample.add", { a: 1 }, { queueTimeout: 1 });
    await waitFor("both are held", async () => (await second.refresh()).state === "RUNNING");
    await expect(second.result({ timeout: 10 })).rejects.toThrow(ExecutionExpiredError);
    expect(await lateness(second)).toBeLessThan(1_000);
    expect(await second.refresh()).toMatchObject({ attempt: 0, startedAt: null });
    await waitFor("its start is noted", async () => (await first.refresh()).startedAt !== null);
    expect(await first.refresh()).toMatchObject({ state: "RUNNING", expiresAt: null });
    await writeFile(gate, "");
    expect(await first.result({ timeout: 10 })).toBeGreaterThan(0);
  });

  test("a deadline that somebody moved forward by hand - the beat brings it to the holder", async () => {
    const gate = join(folder.path, "gate-2");
    const first = await backend.enqueue("sample.wait_for_file", { path: gate });
    await waitFor("it is held", async () => (await first.refresh()).state === "RUNNING");
    const second = await backend.enqueue("sample.add", { a: 1 }, { queueTimeout: 3600 });
    await waitFor("both are held", async () => (await second.refresh()).state === "RUNNING");
    await sql`update rayferry.ray_task_execution set expires_at = now() where id = ${second.id}`;
    await expect(second.result({ timeout: 10 })).rejects.toThrow(ExecutionExpiredError);
    await writeFile(gate, "");
    await first.result({ timeout: 10 });
  });
});

describe("with no worker alive", () => {
  const overdue = () => backend.enqueue("sample.add", { a: 1 }, { queueTimeout: 0.2 });

  test("waiting for the result - expires it within a second of its deadline", async () => {
    const execution = await overdue();
    await expect(execution.result({ timeout: 10 })).rejects.toThrow(ExecutionExpiredError);
    expect(await lateness(execution)).toBeLessThan(1_000);
    expect((Date.now() - (execution.expiresAt?.getTime() ?? 0)) / 1000).toBeLessThan(1.5);
  });

  test("looking at it, alone or in a list - does", async () => {
    const [a, b] = [await overdue(), await overdue()];
    await sql`update rayferry.ray_task_execution set expires_at = now() where state = 'QUEUED'`;
    expect((await backend.get(a.id)).state).toBe("EXPIRED");
    const listed = await backend.list({ limit: 2 });
    expect(listed.map(({ id, state }) => [id, state])).toEqual([
      [b.id, "EXPIRED"],
      [a.id, "EXPIRED"],
    ]);
  });
});
