/** How a sidecar and a worker end, and what becomes of their work. Slow: each waits for leases and graces to run out. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { RayTaskBackend } from "../../src/index.ts";
import { createTestDatabase } from "../support/database.ts";
import { syncWorker, temporaryFolder } from "../support/sync-worker.ts";
import { waitFor } from "../support/wait-for.ts";

describe("a sidecar that dies", () => {
  test("a sidecar that is killed - another takes over, and what ran is run again on its own budget", async () => {
    const database = await createTestDatabase();
    const folder = await temporaryFolder();
    await using backend = new RayTaskBackend({ databaseUrl: database.url });
    const worker = syncWorker(database.url);
    let sidecarPid = 0;
    await worker.start((ready) => {
      sidecarPid = ready.sidecarPid ?? 0;
    });
    const gate = join(folder.path, "gate");
    const execution = await backend.enqueue("sample.wait_for_file", { path: gate });
    await waitFor("it runs", async () => (await execution.refresh()).state === "RUNNING");
    const killed = sidecarPid;
    process.kill(killed, "SIGKILL");
    await waitFor("another sidecar is up", () => sidecarPid !== killed, 20_000);
    await writeFile(gate, "");
    expect(await execution.result({ timeout: 20 })).toBe(sidecarPid);
    expect(await execution.refresh()).toMatchObject({ attempt: 1, infrastructureLosses: 1 });
    expect((await backend.attempts(execution.id)).map((each) => each.outcome)).toEqual(["LOST", "SUCCEEDED"]);
    await worker.stop(0);
    await folder.remove();
    await backend.close();
    await database.drop();
  }, 60_000);
});

describe("a worker that stops", () => {
  test("running work - gets its grace, and its result is kept", async () => {
    const database = await createTestDatabase();
    const folder = await temporaryFolder();
    await using backend = new RayTaskBackend({ databaseUrl: database.url });
    const worker = syncWorker(database.url);
    await worker.start();
    const gate = join(folder.path, "gate");
    const execution = await backend.enqueue("sample.wait_for_file", { path: gate });
    await waitFor("it runs", async () => (await execution.refresh()).state === "RUNNING");
    const stopped = worker.stop(30);
    await waitFor("it drains", async () => (await backend.workers())[0]?.state === "DRAINING");
    const late = await backend.enqueue("sample.add", { a: 1 });
    await writeFile(gate, "");
    await stopped;
    expect((await execution.refresh()).state).toBe("SUCCEEDED");
    expect((await late.refresh()).state).toBe("QUEUED");
    expect((await backend.workers())[0]?.state).toBe("STOPPED");
    await folder.remove();
    await backend.close();
    await database.drop();
  });

  test("work that outlasts the grace - is requeued on the infrastructure budget", async () => {
    const database = await createTestDatabase();
    await using backend = new RayTaskBackend({ databaseUrl: database.url });
    const worker = syncWorker(database.url);
    await worker.start();
    const execution = await backend.enqueue("sample.wait_for_file", { path: "/nowhere/at/all" });
    await waitFor("it runs", async () => (await execution.refresh()).state === "RUNNING");
    await worker.stop(0);
    expect(await execution.refresh()).toMatchObject({ state: "QUEUED", attempt: 0, infrastructureLosses: 1 });
    await backend.close();
    await database.drop();
  }, 30_000);
});
