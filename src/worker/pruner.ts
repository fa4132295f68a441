import type { Logger } from "../logger.ts";
import type { Store } from "../store/connection.ts";
import { type Keep, type PruneCursor, prune, pruneLeases, readPrunable } from "../store/prune.ts";
import { isRowRefused } from "../store/row-refused.ts";
import { foldCounts } from "../store/stats.ts";
import { inHalves } from "./in-halves.ts";
import { Loop } from "./loop.ts";
import { SetAside } from "./set-aside.ts";

/** Milliseconds between two walks over what has ended. */
const WALK = 60_000;
/** ... between the foldings of the counts. */
const FOLD = 10_000;
/** ... of one that doesn't lead: it is woken when it does. */
const FOLLOW = 60_000;

export interface PrunerOptions {
  readonly store: Store;
  readonly keep: Keep;
  /** Whether this worker prunes for all; asked at each round. */
  readonly leads: () => boolean;
  readonly logger: Logger;
  /** Something is wrong with rows: a sentence, once. */
  readonly onTrouble: (sentence: string) => void;
  readonly onError: (error: unknown) => void;
}

/** Removes what has been kept for its time, batch by batch, and adds up the counts: in one worker at a time. */
export class Pruner {
  readonly #options: PrunerOptions;
  readonly #loops: readonly Loop[];
  readonly #aside: SetAside;
  #cursor: PruneCursor | null = null;
  #removed = 0;

  constructor(options: PrunerOptions) {
    this.#options = options;
    this.#aside = new SetAside("remove", options.logger);
    this.#loops = [() => this.#prune(), () => this.#fold()].map(
      (round) => new Loop(async () => (options.leads() ? await round() : FOLLOW), options.onError),
    );
  }

  start(): void {
    for (const loop of this.#loops) loop.start();
  }

  /** It leads from now on. */
  takeOver(): void {
    for (const loop of this.#loops) loop.wake();
  }

  async stop(): Promise<void> {
    await Promise.all(this.#loops.map((loop) => loop.stop()));
  }

  /** One round of everything: a batch of the walk. */
  async runOnce(): Promise<number> {
    return Math.min(await this.#prune(), await this.#fold());
  }

  async #prune(): Promise<number> {
    const { store, logger } = this.#options;
    const start = performance.now();
    const { removed, cursor } = await this.#removeBatch();
    this.#removed += removed;
    this.#cursor = cursor;
    // It rests as long as it worked: still 15,000 rows a second, and half as much in the way of what is live.
    if (cursor !== null) return Math.min(performance.now() - start, 1_000);
    if (this.#removed > 0) logger.info({ executions: this.#removed }, "removed what has been kept for its time");
    this.#removed = 0;
    const leases = await pruneLeases(store);
    if (leases > 0) logger.debug({ rows: leases }, "removed leases and servers that ended a week ago");
    return WALK * (0.75 + Math.random() / 2);
  }

  /** Where a row of it can't be removed (a foreign key of somebody's names it), the others by themselves, and that one not before a minute has passed. */
  async #removeBatch(): Promise<{ removed: number; cursor: PruneCursor | null }> {
    const { store, keep, onTrouble } = this.#options;
    const except = this.#aside.ids();
    try {
      return await prune(store, keep, this.#cursor, { only: null, except });
    } catch (error) {
      if (!isRowRefused(error)) throw error;
      const ids = await readPrunable(store, keep, this.#cursor, except);
      const write = (only: readonly string[]) => prune(store, keep, this.#cursor, { only, except: [] });
      const refused: string[] = [];
      const reports = await inHalves(ids, write, (id, refusal) => {
        refused.push(id);
        this.#aside.add(id, refusal);
      });
      const sentence = this.#aside.tell();
      if (sentence !== null) onTrouble(sentence);
      if (refused.length === 0) throw error;
      const rest = await this.#removeBatch();
      return { removed: reports.reduce((sum, { removed }) => sum + removed, rest.removed), cursor: rest.cursor };
    }
  }

  async #fold(): Promise<number> {
    const { more } = await foldCounts(this.#options.store);
    return more ? 0 : FOLD;
  }
}
