/** Postgres goes away under a working worker and comes back. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startGuardian } from "../../src/dev/guardian.ts";
import { type RunningPostgres, startPostgres } from "../../src/dev/postgres.ts";
import { migrate, RayTaskBackend } from "../../src/index.ts";
import type { Worker } from "../../src/worker/index.ts";
import { syncWorker, temporaryFolder } from "../support/sync-worker.ts";
import { waitFor } from "../support/wait-for.ts";

describe("Postgres that restarts", () => {
  const guardian = startGuardian();
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let server: RunningPostgres;
  let backend: RayTaskBackend;
  let worker: Worker;
  let incarnations = 0;

  const start = (port?: number) =>
    startPostgres({
      dataDir: join(folder.path, "postgres"),
      persistent: true,
      guardian,
      ...(port === undefined ? {} : { port }),
    });

  beforeAll(async () => {
    folder = await temporaryFolder();
    guardian.removeFolder(folder.path);
    server = await start();
    await migrate({ databaseUrl: server.url });
    backend = new RayTaskBackend({ databaseUrl: server.url });
    worker = syncWorker(server.url);
    await worker.start(() => {
      incarnations += 1;
    });
  });

  afterAll(async () => {
    await worker?.stop(0);
    await backend?.close();
    await server?.stop();
    await folder?.remove();
    await guardian.close();
  });

  test("for a moment - running work goes on, its result waits, and whoever waits for it gets it", async () => {
    const gate = join(folder.path, "gate");
    const execution = await backend.enqueue("sample.wait_for_file", { path: gate });
    await waitFor("it runs", async () => (await execution.refresh()).state === "RUNNING");
    const result = execution.result({ timeout: 30 });
    await server.stop();
    await writeFile(gate, "");
    // Said while nobody is there; its second or third try gets through.
    const enqueued = backend.enqueue("sample.add", { a: 1, b: 2 });
    enqueued.catch(() => {});
    server = await start(server.port);
    expect(await (await enqueued).result({ timeout: 30 })).toBe(3);
    expect(await result).toEqual(expect.any(Number));
    expect(await execution.refresh()).toMatchObject({ state: "SUCCEEDED", attempt: 1, infrastructureLosses: 0 });
    expect(incarnations).toBe(1);
  });

  test("for longer than the lease - the worker begins anew and runs again what it held", async () => {
    const gate = join(folder.path, "gate-2");
    const execution = await backend.enqueue("sample.wait_for_file", { path: gate });
    await waitFor("it runs", async () => (await execution.refresh()).state === "RUNNING");
    await server.stop();
    // The lease has run out when the worker has let go of its sidecar; nothing else shows it while Postgres is gone.
    const { pid } = process;
    const gone = performance.now();
    await waitFor(`the lease of ${pid} is over`, () => performance.now() - gone > 9_000, 12_000);
    server = await start(server.port);
    await waitFor("another incarnation is up", () => incarnations === 2, 30_000);
    await writeFile(gate, "");
    expect(await execution.result({ timeout: 30 })).toEqual(expect.any(Number));
    expect(await execution.refresh()).toMatchObject({ attempt: 1, infrastructureLosses: 1 });
  }, 90_000);
});
