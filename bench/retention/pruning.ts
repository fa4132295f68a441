import type { Store } from "../../src/store/connection.ts";
import { type Keep, type PruneCursor, prune } from "../../src/store/prune.ts";

const WEEK = 7 * 86_400;
const KEEP: Keep = { SUCCEEDED: WEEK, FAILED: WEEK, CANCELLED: WEEK, EXPIRED: WEEK, LOST: WEEK };

/** One walk; rows a second. */
export async function pruneAll(store: Store): Promise<number> {
  const start = performance.now();
  let total = 0;
  let cursor: PruneCursor | null = null;
  do {
    const report = await prune(store, KEEP, cursor);
    total += report.removed;
    cursor = report.cursor;
  } while (cursor !== null);
  return total / ((performance.now() - start) / 1_000);
}

/** Walks until it is stopped, or nothing is left; as the leader does. */
export class Pruning {
  readonly #done: Promise<number>;
  #isGoing = true;

  constructor(store: Store) {
    this.#done = this.#run(store);
  }

  /** Rows a second. */
  stop(): Promise<number> {
    this.#isGoing = false;
    return this.#done;
  }

  async #run(store: Store): Promise<number> {
    const start = performance.now();
    let total = 0;
    let cursor: PruneCursor | null = null;
    do {
      const report = await prune(store, KEEP, cursor);
      total += report.removed;
      cursor = report.cursor;
    } while (cursor !== null && this.#isGoing);
    return total / ((performance.now() - start) / 1_000);
  }
}
