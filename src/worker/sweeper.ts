import type { Logger } from "../logger.ts";
import type { Store } from "../store/connection.ts";
import { promote } from "../store/promote.ts";
import { RESCUE_BATCH, rescue } from "../store/rescue.ts";
import { Loop } from "./loop.ts";

/** Milliseconds between looks for dead servers. With 10 s from a worker's last beat to the end of its authority, recovery stays under 15 s. */
const RESCUE = 3_000;
/** Milliseconds between looks for due executions where none is known to come. */
const PROMOTE = 5_000;

export interface SweeperOptions {
  readonly store: Store;
  readonly logger: Logger;
  readonly onError: (error: unknown) => void;
}

/** Makes due executions ready on time, and requeues what dead workers held. */
export class Sweeper {
  readonly #options: SweeperOptions;
  readonly #loops: readonly [Loop, Loop];

  constructor(options: SweeperOptions) {
    this.#options = options;
    this.#loops = [new Loop(() => this.#promote(), options.onError), new Loop(() => this.#rescue(), options.onError)];
  }

  start(): void {
    for (const loop of this.#loops) loop.start();
  }

  /** Something was scheduled: it may be due before what was known. */
  wake(): void {
    this.#loops[0].wake();
  }

  async stop(): Promise<void> {
    await Promise.all(this.#loops.map((loop) => loop.stop()));
  }

  /** One round of everything. */
  async runOnce(): Promise<number> {
    return Math.min(await this.#promote(), await this.#rescue());
  }

  async #promote(): Promise<number> {
    const { nextInSeconds } = await promote(this.#options.store);
    return nextInSeconds === null ? PROMOTE : Math.min(PROMOTE, Math.max(0, nextInSeconds * 1000));
  }

  async #rescue(): Promise<number> {
    const rows = await rescue(this.#options.store);
    if (rows.length > 0)
      this.#options.logger.warn({ executions: rows.length }, "requeued what a worker or sidecar held that is gone");
    if (rows.length === RESCUE_BATCH) return 0;
    return RESCUE * (0.75 + Math.random() / 2);
  }
}
