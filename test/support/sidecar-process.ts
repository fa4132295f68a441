import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Output } from "./output.ts";
import { TASKS_FOLDER } from "./sync-worker.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
export const PYTHON = join(ROOT, ".venv", "bin", "python");

/** A real server in a process of its own, with the runner without Ray and the tasks of test/support/tasks. */
export class SidecarProcess {
  readonly endpoint: string;
  readonly folder = mkdtempSync("/tmp/rt-");
  readonly output: Output;
  readonly #child: ChildProcess;

  private constructor(options: readonly string[]) {
    this.endpoint = `ipc://${join(this.folder, "s")}`;
    const what = ["--runner", "sync", "--tasks", "sample_tasks", "--endpoint", this.endpoint, ...options];
    this.#child = spawn(PYTHON, ["-m", "rayferry", "sidecar", ...what], {
      cwd: TASKS_FOLDER,
      env: { ...process.env, PYTHONPATH: `${join(ROOT, "python")}:${TASKS_FOLDER}` },
      stdio: ["pipe", "ignore", "pipe"],
    });
    this.output = new Output(this.#child);
  }

  static async start(...options: string[]): Promise<SidecarProcess> {
    const sidecar = new SidecarProcess(options);
    await sidecar.output.until(/"Serving\."/);
    return sidecar;
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  async stop(): Promise<void> {
    this.signal("SIGCONT");
    this.#child.stdin?.end();
    await this.output.ended;
    rmSync(this.folder, { recursive: true, force: true });
  }
}
