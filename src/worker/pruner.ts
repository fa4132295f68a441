import type { Logger } from "../logger.ts";
import type { Store } from "../store/connection.ts";
import { type Keep, type PruneCursor, type PruneReport, prune, pruneLeases, readPrunable } from "../store/prune.ts";
import { type Reference, readReferences } from "../store/references.ts";
import { isRowRefused } from "../store/row-refused.ts";
import { foldCounts } from "../store/stats.ts";
import { inHalves } from "./in-halves.ts";
import { Loop } from "./loop.ts";
import { SetAside } from "./set-aside.ts";

/** Milliseconds between two walks over what has ended. */
const WALK = 60_000;
/** ... between the foldings of the counts. */
const FOLD = 10_000;
/** How many times as long as it worked it rests where Postgres refused rows. */
const REST_REFUSED = 4;
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
  #referred = 0;
  #isReferredTold = false;
  /** Read anew for each walk, and after each error. */
  #references: readonly Reference[] | null = null;

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
    const { removed, referred, cursor, refused } = await this.#removeBatch();
    this.#removed += removed;
    this.#referred += referred;
    this.#cursor = cursor;
    const took = performance.now() - start;
    // It rests as long as it worked: still 15,000 rows a second, and half as much in the way of what is live. Where it worked in vain, longer.
    if (cursor !== null) return refused > 0 ? REST_REFUSED * took : Math.min(took, 1_000);
    this.#tellOfReferred();
    if (this.#removed > 0) logger.info({ executions: this.#removed }, "removed what has been kept for its time");
    this.#removed = 0;
    this.#references = null;
    const leases = await pruneLeases(store);
    if (leases > 0) logger.debug({ rows: leases }, "removed leases and servers that ended a week ago");
    return WALK * (0.75 + Math.random() / 2);
  }

  /** Where a row of it can't be removed (a trigger of somebody's raises), the others by themselves, and that one not before a minute has passed. */
  async #removeBatch(): Promise<PruneReport & { readonly refused: number }> {
    const { store, keep, onTrouble } = this.#options;
    const except = this.#aside.ids();
    this.#references ??= await readReferences(store);
    const references = this.#references;
    try {
      return { ...(await prune(store, keep, this.#cursor, { only: null, except }, references)), refused: 0 };
    } catch (error) {
      this.#references = null;
      if (!isRowRefused(error)) throw error;
      const ids = await readPrunable(store, keep, this.#cursor, except, references);
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
      const removed = reports.reduce((sum, report) => sum + report.removed, rest.removed);
      return { ...rest, removed, refused: rest.refused + refused.length };
    }
  }

  /** Once: what is referred to is kept for as long as that says. */
  #tellOfReferred(): void {
    const referred = this.#referred;
    this.#referred = 0;
    if (referred === 0 || this.#isReferredTold) return;
    this.#isReferredTold = true;
    const tables = [...new Set((this.#references ?? []).map(({ table }) => table))].join(", ");
    const sentence = `${referred} executions are kept beyond their time, for rows of ${tables} refer to them: a foreign key with ON DELETE CASCADE or SET NULL lets them go.`;
    this.#options.logger.warn(sentence);
    this.#options.onTrouble(sentence);
  }

  async #fold(): Promise<number> {
    const { more } = await foldCounts(this.#options.store);
    return more ? 0 : FOLD;
  }
}
