import type { ChildProcess } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { startCli } from "./cli.ts";
import { Output } from "./output.ts";
import { commandLine } from "./processes.ts";

export interface WorkerProcessOptions {
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Where the task modules are; default: test/support/tasks. */
  readonly folder?: string;
}

/** `rayferry worker` in a process of its own, to be killed, stopped and continued. */
export class WorkerProcess {
  readonly child: ChildProcess;
  readonly output: Output;

  private constructor(child: ChildProcess) {
    this.child = child;
    this.output = new Output(child);
  }

  static start({ args, env, folder }: WorkerProcessOptions): WorkerProcess {
    const child = startCli(["worker", ...args], { env, ...(folder === undefined ? {} : { cwd: folder }) });
    return new WorkerProcess(child);
  }

  /** Process id of its sidecar; null while it has none. */
  get sidecar(): number | null {
    return childrenOf(this.child.pid ?? 0).find((pid) => commandLine(pid).includes("rayferry sidecar")) ?? null;
  }

  /** To the worker alone. */
  signal(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  signalSidecar(signal: NodeJS.Signals): void {
    const { sidecar } = this;
    if (sidecar === null) throw new Error("The worker has no sidecar.");
    process.kill(sidecar, signal);
  }

  /** SIGTERM; its exit status. */
  async terminate(): Promise<number | null> {
    this.signal("SIGTERM");
    return await this.output.ended;
  }
}

function childrenOf(pid: number): number[] {
  return readdirSync(`/proc/${pid}/task`).flatMap((thread) =>
    read(`/proc/${pid}/task/${thread}/children`).split(" ").filter(Boolean).map(Number),
  );
}

/** Empty where the process has ended meanwhile. */
function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
