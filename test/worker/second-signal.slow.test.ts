/** Signals to a worker whose server is in its own process tree. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { RayTaskBackend } from "../../src/index.ts";
import { cli } from "../support/cli.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { isRunning } from "../support/processes.ts";
import { temporaryFolder } from "../support/sync-worker.ts";
import { waitFor } from "../support/wait-for.ts";
import { WorkerProcess } from "../support/worker-process.ts";

let database: TestDatabase;
let backend: RayTaskBackend;
let folder: Awaited<ReturnType<typeof temporaryFolder>>;
const processes: WorkerProcess[] = [];

beforeAll(async () => {
  folder = await temporaryFolder();
  database = await createTestDatabase();
  backend = new RayTaskBackend({ databaseUrl: database.url });
});

afterAll(async () => {
  for (const each of processes) each.signal("SIGKILL");
  await backend?.close();
  await database?.drop();
  await folder?.remove();
});

function start(name: string): WorkerProcess {
  const args = ["--tasks", "sample_tasks", "--runner", "sync", "--name", name];
  const worker = WorkerProcess.start({ args, env: { RAYFERRY_DATABASE_URL: database.url } });
  processes.push(worker);
  return worker;
}

const stateOf = async (name: string) => (await backend.workers()).find((each) => each.name === name)?.state;

test("the first signal waits for what runs, the second ends at once; its work runs again", async () => {
  const gate = join(folder.path, "gate");
  const worker = start("first");
  const execution = await backend.enqueue("sample.wait_for_file", { path: gate });
  await waitFor("it runs", async () => (await execution.refresh()).startedAt !== null, 20_000);
  const shown = await cli(["workers", "--database-url", database.url]);
  expect(shown.stdout).toMatch(/^first {2}READY, leads {2}1\/1 /m);
  const sidecar = worker.sidecar ?? expect.fail("It has no sidecar.");

  worker.signal("SIGTERM");
  await waitFor("it waits", async () => (await stateOf("first")) === "DRAINING");
  expect((await execution.refresh()).state).toBe("RUNNING");
  const since = performance.now();
  worker.signal("SIGTERM");
  expect(await worker.output.ended).toBe(130);
  await waitFor("its sidecar is gone", () => !isRunning(sidecar), 5_000);
  expect(performance.now() - since).toBeLessThan(5_000);

  const next = start("next");
  await writeFile(gate, "");
  expect(await execution.result({ timeout: 30 })).not.toBe(sidecar);
  expect(await execution.refresh()).toMatchObject({ attempt: 1, infrastructureLosses: 1, worker: "next" });
  expect(await next.terminate()).toBe(0);
  expect(await stateOf("next")).toBe("STOPPED");
});
