import type { InventoryEntry, WorkerMessage } from "../../bridge/src/index.ts";
import type { Logger } from "../logger.ts";
import type { Store } from "../store/connection.ts";
import { type HeldRow, readHeld } from "../store/lease.ts";
import { release } from "../store/release.ts";
import { type RequeuedRow, requeue } from "../store/requeue.ts";
import { failure } from "./decide.ts";
import type { HeldAttempts } from "./held.ts";
import { inHalves } from "./in-halves.ts";

/** Seconds after its claim at which a row that this worker doesn't hold is taken for forgotten; an answer takes milliseconds. */
export const FORGOTTEN_AFTER = 10;

export interface ReconcilerOptions {
  readonly store: Store;
  readonly holder: string;
  readonly server: string;
  readonly held: HeldAttempts;
  /** What the server holds now. */
  readonly inventory: () => Promise<readonly InventoryEntry[]>;
  readonly send: (message: WorkerMessage) => void;
  readonly logger: Logger;
  readonly onError: (error: unknown) => void;
}

/**
 * Finds rows that name this worker though it doesn't hold them: the answer to a claim or an adoption was lost with its connection, or a hand-back
 * failed. What the server has is held again. Of the rest, what was never submitted is handed back; what may have begun is lost with whoever ran it, and
 * counts as that. Every beat brings the count; only a count that is too high twice running is looked into.
 */
export class Reconciler {
  readonly #options: ReconcilerOptions;
  #suspicious = 0;
  #isLooking = false;

  constructor(options: ReconcilerOptions) {
    this.#options = options;
  }

  /** The number of rows that name this holder, from the beat. */
  async compare(rows: number): Promise<void> {
    this.#suspicious = rows > this.#options.held.size ? this.#suspicious + 1 : 0;
    if (this.#suspicious < 2 || this.#isLooking) return;
    this.#isLooking = true;
    try {
      await this.runOnce();
    } catch (error) {
      // The next beat counts again.
      this.#options.onError(error);
    } finally {
      this.#isLooking = false;
    }
  }

  async runOnce(): Promise<void> {
    const { store, holder, server, held, inventory } = this.#options;
    const isForgotten = ({ id, fence }: HeldRow) => held.find(id, fence) === null;
    const suspects = (await readHeld(store, holder, server, FORGOTTEN_AFTER)).filter(isForgotten);
    if (suspects.length === 0) return;
    const there = new Map((await inventory()).map(({ id, fence, phase }) => [`${id} ${fence}`, phase]));
    const phaseOf = ({ id, fence }: HeldRow) => there.get(`${id} ${fence}`);
    const isThere = (row: HeldRow) => phaseOf(row) !== undefined;
    const forgotten = suspects.filter(isForgotten);
    this.#holdAgain(forgotten.filter(isThere), (row) => phaseOf(row) !== "SUBMITTED");
    const gone = forgotten.filter((each) => !isThere(each));
    await this.#giveUp(
      gone.filter(({ mayHaveBegun }) => !mayHaveBegun),
      (rows) => this.#release(rows),
      "handed back executions whose claim was forgotten",
    );
    await this.#giveUp(
      gone.filter(({ mayHaveBegun }) => mayHaveBegun),
      (rows) => this.#requeue(rows),
      "requeued executions that may have begun and that neither it nor its server holds",
    );
  }

  #holdAgain(rows: readonly HeldRow[], hasBegun: (row: HeldRow) => boolean): void {
    const { held, send, logger } = this.#options;
    if (rows.length === 0) return;
    for (const row of rows) {
      const attempt = held.add(row.id, row.fence, row.task, row.terms, true);
      attempt.phase = hasBegun(row) ? "RUNNING" : "PENDING";
    }
    send({ type: "adopt", attempts: rows.map(({ id, fence }) => [id, fence] as const) });
    logger.warn({ executions: rows.length }, "holds again what its server had and it had forgotten");
  }

  /** Where a row can't be written, the others by themselves: the next look comes to that one again. */
  async #giveUp(
    rows: readonly HeldRow[],
    write: (rows: readonly HeldRow[]) => Promise<readonly RequeuedRow[]>,
    words: string,
  ): Promise<void> {
    const written = await inHalves(rows, write, (_, error) => this.#options.onError(error));
    const executions = written.flat().length;
    if (executions > 0) this.#options.logger.warn({ executions }, words);
  }

  #release(rows: readonly HeldRow[]): Promise<RequeuedRow[]> {
    const { store, holder } = this.#options;
    const reason = "Its worker lost the answer to the claim.";
    const rest = { reason, delaySeconds: 0, unknownTask: false, leased: true };
    const released = rows.map(({ id, fence }) => ({ id, fence, ...rest }));
    return release(store, holder, released);
  }

  #requeue(rows: readonly HeldRow[]): Promise<RequeuedRow[]> {
    const { store, holder } = this.#options;
    const error = failure("ServerLost", "ServerLost", "neither its worker nor its server has it any more");
    const lost = rows.map(({ id, fence }) => ({ id, fence, error, leased: true }));
    return requeue(store, holder, lost);
  }
}
