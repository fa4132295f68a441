import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { pino } from "pino";
import { Worker, type WorkerOptions } from "../../src/worker/index.ts";

export const TASKS_FOLDER = fileURLToPath(new URL("./tasks", import.meta.url));

/** A real worker with a real sidecar over real ZeroMQ; `--runner sync` runs the tasks in the sidecar, so that no Ray has to start. */
export function syncWorker(databaseUrl: string, options: Partial<WorkerOptions> = {}): Worker {
  return new Worker({
    databaseUrl,
    tasks: ["sample_tasks"],
    name: `test-${Math.random().toString(36).slice(2, 8)}`,
    folder: TASKS_FOLDER,
    runner: "sync",
    logger: pino({ level: "silent" }),
    ...options,
  });
}

/** A folder of the test's own. */
export async function temporaryFolder(): Promise<{ path: string; remove(): Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), "rayferry-test-"));
  return { path, remove: () => rm(path, { recursive: true, force: true }) };
}
