import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { Output } from "./output.ts";
import { PYTHON } from "./sidecar-process.ts";
import { TASKS_FOLDER } from "./sync-worker.ts";

const PACKAGE = fileURLToPath(new URL("../../python", import.meta.url));
export const SYNC = ["--runner", "sync"];

/** `python -m rayferry server`, as somebody starts it by hand, with the tasks of test/support/tasks. */
export class ServerProcess {
  readonly output: Output;
  readonly pid: number;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
    this.pid = child.pid ?? 0;
    this.output = new Output(child);
  }

  /** Resolves when it serves. */
  static async start(
    listen: string,
    options: readonly string[],
    env: Readonly<Record<string, string>> = {},
  ): Promise<ServerProcess> {
    const child = spawn(
      PYTHON,
      ["-m", "rayferry", "server", "--tasks", "sample_tasks", "--listen", listen, ...options],
      {
        cwd: TASKS_FOLDER,
        env: { ...process.env, ...env, PYTHONPATH: `${PACKAGE}:${TASKS_FOLDER}` },
        stdio: ["ignore", "pipe", "pipe"],
      },
    );
    const server = new ServerProcess(child);
    await server.output.until(/"event": "serving"/);
    return server;
  }

  /** Where it listens: with port 0, the one that was free. */
  get endpoint(): string {
    return /"event": "serving", "endpoint": "([^"]+)"/.exec(this.output.text)?.[1] ?? "";
  }

  /** How often it has begun to serve. */
  get lives(): number {
    return this.output.text.match(/"event": "serving"/g)?.length ?? 0;
  }

  /** The exit status. */
  async end(signal: NodeJS.Signals = "SIGTERM"): Promise<number | null> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return this.#child.exitCode;
    const exited = once(this.#child, "exit");
    this.#child.kill(signal);
    const [status] = (await exited) as [number | null];
    return status;
  }
}
