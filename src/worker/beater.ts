import type { Store } from "../store/connection.ts";
import { type BeatReport, beat } from "../store/lease.ts";
import { Loop } from "./loop.ts";

/** Milliseconds between beats; a lease lasts three of them. */
export const BEAT = 2_000;
/** Milliseconds after which an unrenewed lease has run out for us: the database's six seconds, less the time a statement may take. */
const OWN_LEASE = 5_500;

export interface BeaterOptions {
  readonly store: Store;
  readonly holder: string;
  readonly running: () => number;
  /** The server's row and the newest tick that came from it, or null before there is one. */
  readonly tick: () => { readonly server: string; readonly tick: number } | null;
  /** After a commit that renewed the lease: the tick from before it. */
  readonly onRenewed: (tick: number | null) => void;
  readonly onCancels: (cancels: BeatReport["cancels"]) => void;
  /** How many rows name this holder. */
  readonly onHeld: (rows: number) => void;
  /** The lease has run out, for good. */
  readonly onLeaseLost: () => void;
  readonly onError: (error: unknown) => void;
}

/** Keeps the lease alive. The server's authority hangs on its own tick, sent before the renewal and echoed after its commit. */
export class Beater {
  readonly #options: BeaterOptions;
  readonly #loop: Loop;
  #lastTick: number | null = null;
  #renewedAt = performance.now();
  #lost = false;
  #watchdog: NodeJS.Timeout | null = null;

  constructor(options: BeaterOptions) {
    this.#options = options;
    this.#loop = new Loop(
      () => this.runOnce(),
      (error) => this.#failed(error),
    );
  }

  start(): void {
    this.#renewedAt = performance.now();
    this.#watchLease();
    this.#loop.start();
  }

  stop(): Promise<void> {
    if (this.#watchdog !== null) clearInterval(this.#watchdog);
    return this.#loop.stop();
  }

  /** By a timer too: a statement on a silent connection never fails. */
  #watchLease(): void {
    this.#watchdog = setInterval(() => {
      if (performance.now() - this.#renewedAt > OWN_LEASE + BEAT) this.#lose();
    }, BEAT);
  }

  async runOnce(): Promise<number> {
    const { store, holder, running, tick, onRenewed, onCancels, onHeld } = this.#options;
    const begun = performance.now();
    const newest = tick();
    const isNew = newest !== null && newest.tick !== this.#lastTick;
    const report = await beat(store, holder, running(), isNew ? newest.server : null);
    if (!report.renewed) {
      this.#lose();
      return BEAT;
    }
    this.#renewedAt = begun;
    if (isNew) this.#lastTick = newest.tick;
    onRenewed(isNew ? newest.tick : null);
    if (report.cancels.length > 0) onCancels(report.cancels);
    onHeld(report.held);
    return Math.max(0, BEAT - (performance.now() - begun));
  }

  #failed(error: unknown): void {
    this.#options.onError(error);
    if (performance.now() - this.#renewedAt > OWN_LEASE) this.#lose();
  }

  #lose(): void {
    if (this.#lost) return;
    this.#lost = true;
    this.#options.onLeaseLost();
  }
}
