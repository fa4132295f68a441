import { url as debuggerUrl } from "node:inspector";
import { Worker } from "node:worker_threads";
import type { Logger } from "../logger.ts";

/** Milliseconds of standing still from which it is told. */
const STALL = 2_000;

/** What both threads see. */
export const TICKS = 0;
export const LOOKS = 1;
export const IS_DEBUGGED = 2;

export interface StallThreadData {
  readonly shared: Int32Array<SharedArrayBuffer>;
  readonly stall: number;
  readonly every: number;
  readonly json: boolean;
}

export interface StallWatchOptions {
  readonly logger: Logger;
  /** It stood still for so many milliseconds, and this is the first to hear of it. Says what that means, in a clause. */
  readonly onStall: (milliseconds: number) => string;
  /** Milliseconds; default `STALL`. */
  readonly stall?: number;
}

/**
 * Notices that this process's event loop stands still. While it does, a thread writes what it stands in to stderr, for nobody else can; afterwards the
 * log says for how long. The thread takes 20 MB.
 *
 * Where the thread didn't run either, the loop isn't to blame: the process was stopped, or starved.
 */
export class StallWatch {
  readonly #options: StallWatchOptions;
  readonly #stall: number;
  readonly #every: number;
  readonly #shared = new Int32Array(new SharedArrayBuffer(12));
  readonly #thread: Worker;
  readonly #timer: NodeJS.Timeout;
  #tickedAt = performance.now();
  #looks = 0;

  constructor(options: StallWatchOptions) {
    this.#options = options;
    this.#stall = options.stall ?? STALL;
    this.#every = this.#stall / 8;
    this.#thread = this.#startThread();
    this.#timer = setInterval(() => this.#tick(), this.#every).unref();
  }

  /** The thread runs: it takes a moment to start. */
  get isWatching(): boolean {
    return Atomics.load(this.#shared, LOOKS) > 0;
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#thread.terminate();
  }

  #startThread(): Worker {
    const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
    const workerData: StallThreadData = {
      shared: this.#shared,
      stall: this.#stall,
      every: this.#every,
      json: !process.stderr.isTTY,
    };
    // Options such as --inspect are meant for the main thread alone.
    const thread = new Worker(new URL(`./stall-thread.${extension}`, import.meta.url), { workerData, execArgv: [] });
    thread.unref();
    // Without it stalls are told all the same, only not in what.
    thread.on("error", (error) =>
      this.#options.logger.debug({ error: error.message }, "the stall watch's thread failed"),
    );
    return thread;
  }

  #tick(): void {
    const now = performance.now();
    const stood = now - this.#tickedAt - this.#every;
    const looks = Atomics.load(this.#shared, LOOKS);
    if (stood >= this.#stall) this.#tell(stood, looks - this.#looks);
    this.#tickedAt = performance.now();
    this.#looks = looks;
    Atomics.store(this.#shared, IS_DEBUGGED, debuggerUrl() === undefined ? 0 : 1);
    Atomics.add(this.#shared, TICKS, 1);
  }

  #tell(stood: number, looks: number): void {
    const meaning = this.#options.onStall(stood);
    const seconds = (stood / 1000).toFixed(1);
    // Before the thread has started, it can't testify for the process.
    const othersRan = looks * this.#every > stood / 2 || !this.isWatching;
    this.#options.logger.warn(
      othersRan
        ? `The worker's event loop stood still for ${seconds} s${meaning}.`
        : `The worker's process was stopped or starved for ${seconds} s${meaning}.`,
    );
  }
}
