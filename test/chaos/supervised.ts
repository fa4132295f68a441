import { setTimeout as delay } from "node:timers/promises";
import { waitFor } from "../support/wait-for.ts";
import { WorkerProcess, type WorkerProcessOptions } from "../support/worker-process.ts";

const IS_READY = /worker is ready/;
/** Milliseconds from an end to the next start, as a service manager's. */
const RESTART_AFTER = 500;
/** Milliseconds for the first start: Ray takes its time on a busy machine. */
const READY_WITHIN = 120_000;
/** Milliseconds for an end by SIGTERM: 30 s of grace, and what an incarnation may take to end. */
const STOP_WITHIN = 60_000;

type Running = Pick<WorkerProcess, "child" | "output" | "sidecar" | "signal" | "terminate">;

/** A worker that is started again whenever it ends, until it is stopped. */
export class SupervisedWorker {
  readonly name: string;
  readonly #options: WorkerProcessOptions;
  readonly #startProcess: (options: WorkerProcessOptions) => Running;
  #process: Running;
  #isStopping = false;
  #env: Readonly<Record<string, string>> = {};
  /** What earlier processes said. */
  #said = "";

  constructor(
    name: string,
    options: WorkerProcessOptions,
    startProcess: (options: WorkerProcessOptions) => Running = WorkerProcess.start,
  ) {
    this.name = name;
    this.#options = options;
    this.#startProcess = startProcess;
    this.#process = this.#start();
  }

  /** Resolves when it, or a process that came after it, is ready. */
  async ready(): Promise<void> {
    await waitFor(`${this.name} is ready`, () => IS_READY.test(this.said), READY_WITHIN).catch((error) => {
      throw new Error(`${error instanceof Error ? error.message : error}; it said:\n${this.said.slice(-3_000)}`);
    });
  }

  get process(): Running {
    return this.#process;
  }

  /** Everything that it and its predecessors said. */
  get said(): string {
    return this.#said + this.#process.output.text;
  }

  /** From its next start on. */
  setEnvironment(env: Readonly<Record<string, string>>): void {
    this.#env = env;
  }

  /**
   * By SIGTERM; null when all is well, else what was wrong. One that starts, or is between two processes, is waited for: it has no way yet to end as it should, and
   * one that never comes is a fault of its own.
   */
  async stop(readyWithin = READY_WITHIN): Promise<string | null> {
    for (const start = performance.now(); !this.#isReady(); await delay(20)) {
      if (performance.now() - start < readyWithin) continue;
      this.kill();
      return `${this.name} wasn't ready for its stop within ${readyWithin / 1_000} s`;
    }
    this.#isStopping = true;
    const ended = this.#process.terminate();
    const timeout = delay(STOP_WITHIN, "late" as const, { ref: false });
    const status = await Promise.race([ended, timeout]);
    if (status === 0) return null;
    if (status !== "late") return `${this.name} ended with status ${status}`;
    this.#process.signal("SIGKILL");
    return `${this.name} didn't end within ${STOP_WITHIN / 1000} s of SIGTERM`;
  }

  /** At once, for good. */
  kill(): void {
    this.#isStopping = true;
    this.#process.signal("SIGKILL");
  }

  /** The process that runs now. */
  #isReady(): boolean {
    const { child, output } = this.#process;
    return child.exitCode === null && child.signalCode === null && IS_READY.test(output.text);
  }

  #start(): Running {
    const started = this.#startProcess({ ...this.#options, env: { ...this.#options.env, ...this.#env } });
    void started.output.ended.then(async () => {
      if (this.#isStopping) return;
      await delay(RESTART_AFTER);
      if (this.#isStopping) return;
      this.#said += started.output.text;
      this.#process = this.#start();
    });
    return started;
  }
}
