/** Who sweeps when the leader is gone. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { RayTaskBackend, type TaskWorkerLease } from "../../src/index.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { waitFor } from "../support/wait-for.ts";
import { WorkerProcess } from "../support/worker-process.ts";

/** Milliseconds that a lease lasts, and from one beat to the next. */
const LEASE = 6_000;
const BEAT = 2_000;
/** ... for a loaded machine to get to it. */
const SLACK = 1_500;

let database: TestDatabase;
let backend: RayTaskBackend;
const processes: WorkerProcess[] = [];

beforeAll(async () => {
  database = await createTestDatabase();
  backend = new RayTaskBackend({ databaseUrl: database.url });
});

afterAll(async () => {
  for (const each of processes) each.signal("SIGKILL");
  await backend?.close();
  await database?.drop();
});

async function start(name: string): Promise<WorkerProcess> {
  const args = ["--tasks", "sample_tasks", "--runner", "sync", "--name", name];
  const worker = WorkerProcess.start({ args, env: { RAYFERRY_DATABASE_URL: database.url } });
  processes.push(worker);
  await waitFor(`${name} is READY`, async () => (await leaseOf(name))?.state === "READY", 20_000);
  return worker;
}

async function leaseOf(name: string): Promise<TaskWorkerLease | undefined> {
  return (await backend.workers()).find((each) => each.name === name);
}

/** Milliseconds until that worker leads, alone. */
async function untilLeads(name: string, within: number): Promise<number> {
  const since = performance.now();
  const leaders = async () => (await backend.workers()).filter(({ leads }) => leads).map((each) => each.name);
  await waitFor(`${name} leads`, async () => (await leaders()).join() === name, within);
  return performance.now() - since;
}

/** Due soon, in a queue of nobody's: whoever leads makes it ready, and expires it. */
async function sweepsSoon(): Promise<void> {
  const due = await backend.enqueue("sample.add", { a: 1 }, { delay: 0.3 });
  const overdue = await backend.enqueue("sample.add", { a: 1 }, { queue: "nobodys", queueTimeout: 0.3 });
  expect(await due.result({ timeout: 3 })).toBe(3);
  await expect(overdue.result({ timeout: 3 })).rejects.toMatchObject({ code: "EXECUTION_EXPIRED" });
}

test("the leader dies or stops - the next one leads and sweeps, within a lease and a beat", async () => {
  const [a, b] = [await start("a"), await start("b")];
  await untilLeads("a", BEAT + SLACK);
  await sweepsSoon();

  a.signal("SIGKILL");
  const killed = await untilLeads("b", LEASE + BEAT + SLACK);
  await sweepsSoon();

  const c = await start("c");
  await b.terminate();
  const stopped = await untilLeads("c", BEAT + SLACK);
  await sweepsSoon();

  console.log(
    `the next leads ${killed.toFixed(0)} ms after kill -9 of the leader, ${stopped.toFixed(0)} ms after its stop`,
  );
  expect(await c.terminate()).toBe(0);
  expect((await leaseOf("c"))?.leads).toBe(false);
});
