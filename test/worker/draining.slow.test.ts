/** A worker that was asked to drain. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pino } from "pino";
import postgres from "postgres";
import { afterAll, beforeAll, expect, test } from "vitest";
import { RayTaskBackend } from "../../src/index.ts";
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

const leaseOf = async (name: string) => (await backend.workers()).find((each) => each.name === name);

test("drain - hands back what hasn't begun, goes on with what runs, gives the lead away, says when nothing is left", async () => {
  const said: string[] = [];
  const logger = pino({ level: "info" }, { write: (line: string) => void said.push(JSON.parse(line).msg) });
  const drained = syncWorker(database.url, { name: "drained", concurrency: 2, logger });
  await drained.start();
  const gate = join(folder.path, "gate");
  const running = await backend.enqueue("sample.wait_for_file", { path: gate });
  await waitFor("it has begun", async () => (await leaseOf("drained"))?.running === 1);
  const waiting = await backend.enqueue("sample.add", { a: 1 });
  await waitFor("both are held", async () => (await waiting.refresh()).state === "RUNNING");
  await waitFor("it leads", async () => (await leaseOf("drained"))?.leads === true);

  await sql`update rayferry.task_worker_lease set drain_requested_at = now() where name = 'drained'`;
  await waitFor("it is handed back", async () => (await waiting.refresh()).state === "QUEUED");
  expect(await waiting.refresh()).toMatchObject({ attempt: 0, infrastructureLosses: 0 });
  expect(await leaseOf("drained")).toMatchObject({ state: "DRAINING", drainRequestedAt: expect.any(Date) });
  const late = await backend.enqueue("sample.add", { a: 2 });

  const other = syncWorker(database.url, { name: "other" });
  await other.start();
  expect(await waiting.result({ timeout: 10 })).toBe(3);
  expect(await late.result({ timeout: 10 })).toBe(4);
  expect((await late.refresh()).worker).toBe("other");
  await waitFor("the other leads", async () => (await leaseOf("other"))?.leads === true);
  await waitFor("the drained one leads no more", async () => (await leaseOf("drained"))?.leads === false);

  expect(said).not.toContainEqual(expect.stringContaining("nothing is left"));
  await writeFile(gate, "");
  expect(await running.result({ timeout: 10 })).toBeGreaterThan(0);
  await waitFor("it says so", () => said.some((each) => each.includes("nothing is left")));
  expect(said.filter((each) => each.includes("nothing is left"))).toHaveLength(1);
  await waitFor("its lease says so", async () => {
    const lease = await leaseOf("drained");
    return lease?.state === "DRAINING" && lease.submitted + lease.pending + lease.running === 0;
  });
  await Promise.all([drained.stop(0), other.stop(0)]);
});

test("drain - holds for the next incarnation of the same process", async () => {
  const worker = syncWorker(database.url, { name: "again" });
  await worker.start();
  await sql`update rayferry.task_worker_lease set drain_requested_at = now() where name = 'again'`;
  await waitFor("it drains", async () => (await leaseOf("again"))?.state === "DRAINING");
  const before = (await leaseOf("again"))?.id;
  await worker.restart("a file has changed");
  const after = await leaseOf("again");
  expect(after?.id).not.toBe(before);
  expect(after).toMatchObject({ state: "DRAINING", slots: 1 });
  const execution = await backend.enqueue("sample.add", { a: 1 });
  await waitFor(
    "it beats",
    async () => (await leaseOf("again"))?.heartbeatAt.getTime() !== after?.heartbeatAt.getTime(),
  );
  expect((await execution.refresh()).state).toBe("QUEUED");
  await execution.cancel();
  await worker.stop(0);
});
