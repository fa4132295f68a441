import type { Logger } from "../logger.ts";
import type { Store } from "../store/connection.ts";
import { readHeld } from "../store/lease.ts";
import { release } from "../store/release.ts";
import type { HeldAttempts } from "./held.ts";

/** Seconds after its claim at which a row that this worker doesn't hold is taken for forgotten; an answer takes milliseconds. */
const FORGOTTEN_AFTER = 10;

export interface ReconcilerOptions {
  readonly store: Store;
  readonly holder: string;
  readonly server: string;
  readonly held: HeldAttempts;
  readonly logger: Logger;
  readonly onError: (error: unknown) => void;
}

/**
 * Hands back rows that name this worker though it doesn't hold them: a claim whose answer was lost with its connection, or a hand-back that failed.
 * They were never submitted, so nothing can be running. Every beat brings the count; only a count that is too high twice running is looked into.
 */
export class Reconciler {
  readonly #options: ReconcilerOptions;
  #suspicious = 0;

  constructor(options: ReconcilerOptions) {
    this.#options = options;
  }

  /** The number of rows that name this holder, from the beat. */
  async compare(rows: number): Promise<void> {
    this.#suspicious = rows > this.#options.held.size ? this.#suspicious + 1 : 0;
    if (this.#suspicious < 2) return;
    try {
      await this.runOnce();
    } catch (error) {
      // The next beat counts again.
      this.#options.onError(error);
    }
  }

  async runOnce(): Promise<void> {
    const { store, holder, server, held, logger } = this.#options;
    const rows = await readHeld(store, holder, server, FORGOTTEN_AFTER);
    const forgotten = rows.filter(({ id, fence }) => held.find(id, fence) === null);
    if (forgotten.length === 0) return;
    const reason = "Its worker lost the answer to the claim.";
    await release(
      store,
      holder,
      forgotten.map((each) => ({ ...each, reason, delaySeconds: 0, unknownTask: false })),
    );
    logger.warn({ executions: forgotten.length }, "handed back executions whose claim was forgotten");
  }
}
