import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { createInterface, type Interface } from "node:readline";

/** A process that obeys lines, and says each again when it is done. */
export class Actor {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  constructor(program: string, args: readonly string[], env: Readonly<Record<string, string>> = {}) {
    this.#child = spawn(program, args, { env: { ...process.env, ...env }, stdio: ["pipe", "pipe", "inherit"] });
    this.#lines = lines(this.#child)[Symbol.asyncIterator]();
  }

  /** Waits for this line. */
  async said(expected: string): Promise<void> {
    const { value } = await this.#lines.next();
    if (value !== expected) throw new Error(`Expected "${expected}", got "${value}".`);
  }

  async do(command: string): Promise<void> {
    this.#child.stdin?.write(`${command}\n`);
    await this.said(command);
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Bytes resident now, and the most that ever were. */
  memory(): { readonly now: number; readonly peak: number } {
    const status = readFileSync(`/proc/${this.#child.pid}/status`, "utf8");
    const of = (name: string) => Number(status.match(new RegExp(`${name}:\\s+(\\d+) kB`))?.[1]) * 1024;
    return { now: of("VmRSS"), peak: of("VmHWM") };
  }

  async end(): Promise<void> {
    this.signal("SIGCONT");
    const exit = new Promise((resolve) => this.#child.once("exit", resolve));
    this.signal("SIGKILL");
    await exit;
  }
}

function lines({ stdout }: ChildProcess): Interface {
  if (stdout === null) throw new Error("The process has no stdout.");
  return createInterface({ input: stdout });
}
