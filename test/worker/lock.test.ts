import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { WorkerError, WorkerNameTakenError } from "../../src/errors.ts";
import { LOCK_FILE, takeLock } from "../../src/worker/lock.ts";

const HOLDER = fileURLToPath(new URL("./lock-holder.ts", import.meta.url));

let folder: string;
let child: ChildProcess | null = null;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "rayferry-lock-"));
});

afterEach(async () => {
  if (child !== null) await kill(child);
  child = null;
  await rm(folder, { recursive: true, force: true });
});

async function kill(process: ChildProcess): Promise<void> {
  if (process.exitCode !== null || process.signalCode !== null) return;
  const exited = once(process, "exit");
  process.kill("SIGKILL");
  await exited;
}

/** Another process that holds the lock. */
async function startHolder(): Promise<ChildProcess> {
  const holder = spawn(process.execPath, [HOLDER, folder, "w"], { stdio: ["ignore", "pipe", "inherit"] });
  child = holder;
  const [said] = (await once(holder.stdout, "data")) as [Buffer];
  expect(said.toString()).toBe("holding\n");
  return holder;
}

describe("takeLock", () => {
  test("one at a time in a process too; free after release()", async () => {
    const lock = await takeLock(folder, "w");
    const refused = `A worker named "w" already runs on this host (pid ${process.pid}, since `;
    await expect(takeLock(folder, "w")).rejects.toThrow(refused);
    await lock.release();
    const again = await takeLock(folder, "w");
    await again.release();
    expect(existsSync(join(folder, LOCK_FILE))).toBe(false);
  });

  test("held by another process - refused, naming its pid; free as soon as it is killed", async () => {
    const holder = await startHolder();
    await expect(takeLock(folder, "w")).rejects.toThrow(WorkerNameTakenError);
    await expect(takeLock(folder, "w")).rejects.toThrow(`(pid ${holder.pid}, since 2`);
    await kill(holder);
    expect(existsSync(join(folder, LOCK_FILE))).toBe(true);
    const lock = await takeLock(folder, "w");
    await lock.release();
  });

  test("a frozen process still holds it", async () => {
    const holder = await startHolder();
    holder.kill("SIGSTOP");
    await expect(takeLock(folder, "w")).rejects.toThrow("pid unknown: it doesn't answer");
    holder.kill("SIGCONT");
    await expect(takeLock(folder, "w")).rejects.toThrow(`pid ${holder.pid}`);
  });

  test("a file in its place that is no socket is removed", async () => {
    await writeFile(join(folder, LOCK_FILE), "");
    const lock = await takeLock(folder, "w");
    await lock.release();
  });

  test("a folder that isn't there - a sentence with the path", async () => {
    const missing = join(folder, "missing");
    await expect(takeLock(missing, "w")).rejects.toThrow(WorkerError);
    await expect(takeLock(missing, "w")).rejects.toThrow(`The lock ${join(missing, LOCK_FILE)} can't be made:`);
  });
});
