/** The lease is renewed whatever the worker is busy with. */
import postgres from "postgres";
import { afterAll, beforeAll, expect, test } from "vitest";
import { RayTaskBackend } from "../../src/index.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { syncWorker } from "../support/sync-worker.ts";

/** Milliseconds from one beat to the next, and that a lease lasts. */
const BEAT = 2_000;
const LEASE = 6_000;

let database: TestDatabase;
let backend: RayTaskBackend;
let sql: postgres.Sql;

beforeAll(async () => {
  database = await createTestDatabase();
  sql = postgres(database.url, { max: 1, onnotice: () => {} });
  backend = new RayTaskBackend({ databaseUrl: database.url });
});

afterAll(async () => {
  await backend?.close();
  await sql?.end();
  await database?.drop();
});

/** The longest time that the database saw between two beats, while `work` is under way. */
async function longestGap(work: Promise<unknown>): Promise<number> {
  let isDone = false;
  void work.finally(() => {
    isDone = true;
  });
  let longest = 0;
  while (!isDone) {
    const [row] =
      await sql`select extract(epoch from clock_timestamp() - heartbeat_at)::float8 * 1000 as age, pg_sleep(0.05) from rayferry.task_worker_lease`;
    longest = Math.max(longest, Number(row?.["age"]));
  }
  await work;
  return longest;
}

test("a flood of results, then of logs - the beat keeps its time", async () => {
  const worker = syncWorker(database.url, { concurrency: 500 });
  await worker.start();
  const items = Array.from({ length: 6_000 }, (_, index) => ({
    task: "sample.echo",
    input: { value: "x".repeat(2_000) + index },
  }));
  const results = await longestGap(
    backend.enqueueMany(items).then((all) => Promise.all(all.map((each) => each.result({ timeout: 60 })))),
  );
  const chatter = await backend.enqueue("sample.chatter", { seconds: 6 });
  const logs = await longestGap(chatter.result({ timeout: 30 }));
  console.log(
    `longest time between two beats: ${results.toFixed(0)} ms under results, ${logs.toFixed(0)} ms under logs`,
  );
  expect(await chatter.result()).toBeGreaterThan(10_000);
  expect(results).toBeGreaterThan(BEAT * 0.8);
  for (const each of [results, logs]) expect(each).toBeLessThan(LEASE - BEAT / 2);
  const [lease] = await backend.workers();
  expect(lease?.state).toBe("READY");
  await worker.stop(0);
});
