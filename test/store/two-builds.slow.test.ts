/** An older and a newer build on one database, which the newer one migrates while the older one works. */
import { join } from "node:path";
import postgres from "postgres";
import { afterAll, beforeAll, expect, test } from "vitest";
import { RayTaskBackend, type RayTaskExecution } from "../../src/index.ts";
import { Build } from "../support/build.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import type { Output } from "../support/output.ts";
import { temporaryFolder } from "../support/sync-worker.ts";
import { waitFor } from "../support/wait-for.ts";

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let database: TestDatabase;
let sql: postgres.Sql;
let backend: RayTaskBackend;
let older: Build;
let newer: Build;
const workers: ReturnType<Build["start"]>[] = [];

beforeAll(async () => {
  folder = await temporaryFolder();
  older = Build.make(join(folder.path, "older"));
  newer = older.copy(join(folder.path, "newer"), "99.0.0");
  newer.addMigration(
    "9998_additive",
    9_999_999_999_998,
    `ALTER TABLE "rayferry"."ray_task_execution" ADD COLUMN "later" integer DEFAULT 7 NOT NULL;--> statement-breakpoint
ALTER TABLE "rayferry"."task_worker_lease" ADD COLUMN "later" text;`,
  );
  database = await createTestDatabase({ migrated: false });
  expect(await run(older, ["migrate"])).toMatchObject({ status: 0 });
  sql = postgres(database.url, { max: 2, onnotice: () => {} });
  backend = new RayTaskBackend({ databaseUrl: database.url });
});

afterAll(async () => {
  for (const { child, output } of workers) {
    child.kill("SIGTERM");
    await output.ended;
  }
  await backend?.close();
  await sql?.end();
  await database?.drop();
  await folder?.remove();
});

async function run(build: Build, [command = "", ...args]: readonly string[]) {
  const { output } = build.start([command, ...args, "--database-url", database.url]);
  const status = await output.ended;
  return { status, text: output.text };
}

async function startWorker(build: Build, name: string): Promise<Output> {
  const options = ["--runner", "sync", "--tasks", "sample_tasks", "--concurrency", "2", "--name", name];
  const worker = build.start(["worker", ...options, "--database-url", database.url]);
  workers.push(worker);
  await waitFor(`${name} is ready`, () => worker.output.text.includes("worker is ready"), 30_000);
  return worker.output;
}

test("a newer build migrates while an older one works; both work on, and nothing fails", async () => {
  const said = await startWorker(older, "older");
  const enqueued: RayTaskExecution[] = [];
  let isGoing = true;
  const load = (async () => {
    while (isGoing) {
      enqueued.push(await backend.enqueue("sample.sleep", { seconds: 0.02 }));
      await enqueued.at(-1)?.result({ timeout: 30 });
    }
  })();
  const loads = [load];
  load.catch(() => {});
  await waitFor("the older one works", () => enqueued.length > 5, 20_000);

  // Somebody's transaction is in the way of the migration, which must not make others wait for long.
  const idle = await sql.reserve();
  await idle`begin`;
  await idle`select count(*) from rayferry.ray_task_execution`;
  const migrating = run(newer, ["migrate"]);
  const isWaiting = async () =>
    (
      await sql`select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock' and query like '%later%'`
    ).length > 0;
  await waitFor("the migration waits for the table", isWaiting);
  await waitFor("it has given up for now", async () => !(await isWaiting()));
  const before = enqueued.length;
  await waitFor("work goes on meanwhile", () => enqueued.length > before + 3);
  await idle`commit`;
  idle.release();
  expect(await migrating).toMatchObject({ status: 0, text: expect.stringContaining("Applied 1 of") });

  await startWorker(newer, "newer");
  const since = enqueued.length;
  for (let more = 0; more < 3; more += 1) {
    loads.push(
      (async () => {
        while (isGoing) {
          const execution = await backend.enqueue("sample.sleep", { seconds: 0.02 });
          enqueued.push(execution);
          await execution.result({ timeout: 30 });
        }
      })(),
    );
  }
  const names = async () =>
    new Set((await Promise.all(enqueued.slice(since).map((each) => each.refresh()))).map((each) => each.worker));
  await waitFor("both claim", async () => (await names()).size >= 2 && enqueued.length > since + 20, 30_000);
  // One that starts now finds a database that is newer than it is.
  const late = await startWorker(older, "late");
  expect(late.text).toContain("a newer version of rayferry has migrated the database");
  isGoing = false;
  await Promise.all(loads);
  const rows =
    await sql`select state, attempt, infrastructure_losses, later from rayferry.ray_task_execution group by 1, 2, 3, 4`;
  expect(rows).toEqual([{ state: "SUCCEEDED", attempt: 1, infrastructure_losses: 0, later: 7 }]);
  expect(said.text).not.toMatch(/failed|error/i);
});

test("a newer build that breaks older ones - an older worker and an older migrate are refused", async () => {
  newer.addMigration(
    "9999_breaking",
    9_999_999_999_999,
    `-- rayferry: breaks older builds\nALTER TABLE "rayferry"."ray_task_execution" DROP COLUMN "later";`,
  );
  expect(await run(newer, ["migrate"])).toMatchObject({ status: 0 });
  const worker = ["worker", "--runner", "sync", "--tasks", "sample_tasks", "--name", "refused"];
  for (const command of [worker, ["migrate"]]) {
    const { status, text } = await run(older, command);
    expect(text).toContain(
      "has 1 migration(s) that this version of rayferry doesn't know and can't work with: a newer one migrated it. Install that version.",
    );
    expect(status).toBe(1);
  }
});
