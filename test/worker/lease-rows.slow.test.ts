/** Lease rows of executions with a worker at work: what costs one, and that none is left. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import postgres from "postgres";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { RayTaskBackend } from "../../src/index.ts";
import { cli } from "../support/cli.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { AS_A_VERB } from "../support/seed.ts";
import { syncWorker, temporaryFolder } from "../support/sync-worker.ts";
import { waitFor } from "../support/wait-for.ts";

let database: TestDatabase;
let backend: RayTaskBackend;
let sql: postgres.Sql;
let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let worker: ReturnType<typeof syncWorker>;

beforeAll(async () => {
  folder = await temporaryFolder();
  database = await createTestDatabase();
  sql = postgres(database.url, { max: 2, onnotice: () => {}, connection: AS_A_VERB });
  backend = new RayTaskBackend({ databaseUrl: database.url });
  await sql`create table public.written (execution_id uuid, phase text)`;
  await sql.unsafe(`create function public.note_row() returns trigger language plpgsql as
    $$ begin insert into public.written values (new.execution_id, new.phase); return new; end $$`);
  await sql`create trigger note_row after insert or update on rayferry.execution_lease for each row execute function public.note_row()`;
});

afterAll(async () => {
  await backend?.close();
  await sql?.end();
  await database?.drop();
  await folder?.remove();
});

beforeEach(async () => {
  await sql`truncate public.written`;
  worker = syncWorker(database.url, { concurrency: 250 });
  await worker.start();
});
afterEach(async () => {
  await worker.stop(0);
});

const left = () => sql`select execution_id, phase from rayferry.execution_lease`;

test("300 short ones over several beats - cost no row", async () => {
  const until = performance.now() + 6_000;
  let done = 0;
  while (performance.now() < until || done < 300) {
    const batch = Array.from({ length: 20 }, (_, a) => ({ task: "sample.add", input: { a } }));
    await Promise.all((await backend.enqueueMany(batch)).map((each) => each.result({ timeout: 10 })));
    done += batch.length;
  }
  expect(await sql`select * from public.written`).toEqual([]);
});

test("200 mixed ones - what is held for longer than a beat has a row, and none is left at the end", async () => {
  const gate = join(folder.path, "gate");
  const first = await backend.enqueue("sample.tell", { path: gate, current: 3, total: 10, message: "three" });
  const mixed = await backend.enqueueMany(
    Array.from({ length: 199 }, (_, index) => {
      const options = { maxAttempts: 2, retry: { backoff: 0.1 } };
      if (index % 10 === 0) return { task: "sample.fail", input: { message: "no" }, options };
      if (index % 10 === 1) return { task: "sample.sleep", input: { seconds: 0.1 } };
      if (index % 10 === 2) return { task: "sample.add", input: { a: index }, options: { queueTimeout: 8 } };
      return { task: "sample.add", input: { a: index } };
    }),
  );
  await waitFor("all have rows", async () => (await left()).length === 200, 15_000);
  expect(await first.refresh()).toMatchObject({
    phase: "RUNNING",
    progress: { current: 3, total: 10, message: "three" },
  });
  const [waiting] = mixed;
  expect(await waiting?.refresh()).toMatchObject({ phase: "PENDING", progress: null });
  const shown = await cli(["show", first.id, "--database-url", database.url]);
  expect(shown.stdout).toContain("RUNNING (its code runs)");
  expect(shown.stdout).toContain("progress     3 of 10: three");
  await Promise.all(mixed.filter((_, index) => index % 10 === 3).map((each) => each.cancel()));
  await waitFor("what was too late is expired", async () => (await backend.stats())["EXPIRED"] === 20);
  await writeFile(gate, "");
  const ends = await Promise.allSettled([first, ...mixed].map((each) => each.result({ timeout: 40 })));
  expect(ends.filter(({ status }) => status === "rejected")).toHaveLength(60);
  // Whatever a write-back that was under way left behind, the leader removes within half a minute.
  await waitFor("no row is left", async () => (await left()).length === 0, 45_000);
  const stats = await backend.stats();
  expect(stats).toMatchObject({ FAILED: 20, CANCELLED: 20, EXPIRED: 20, QUEUED: 0, RUNNING: 0 });
});
