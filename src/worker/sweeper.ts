import type { Logger } from "../logger.ts";
import type { Store } from "../store/connection.ts";
import { cleanExecutionLeases } from "../store/execution-lease.ts";
import { expire, readOverdue } from "../store/expire.ts";
import { promote, readDue } from "../store/promote.ts";
import { RESCUE_BATCH, readRescuable, rescue } from "../store/rescue.ts";
import { isRowRefused } from "../store/row-refused.ts";
import type { Sweep } from "../store/sweep.ts";
import { inHalves } from "./in-halves.ts";
import { Loop } from "./loop.ts";
import { SetAside } from "./set-aside.ts";

/** Milliseconds between looks for dead servers. With 10 s from a worker's last beat to the end of its authority, recovery stays under 15 s. */
const RESCUE = 3_000;
/** Milliseconds between looks for due executions where none is known to come: what is scheduled later wakes this. */
const PROMOTE = 5_000;
/** ... and for deadlines: nobody tells of a new one, and it is to be kept within a second. */
const EXPIRE = 750;
/** ... and for lease rows that were left over. */
const CLEAN = 30_000;
/** ... of one that doesn't lead: it is woken when it does. It looks all the same, for the leader may live and not be able to. */
const FOLLOW = 60_000;

export interface SweeperOptions {
  readonly store: Store;
  /** Whether this worker sweeps for all; asked at each round. */
  readonly leads: () => boolean;
  readonly logger: Logger;
  /** Something is wrong with rows: a sentence, once. */
  readonly onTrouble: (sentence: string) => void;
  readonly onError: (error: unknown) => void;
}

/** A verb that sweeps, and what its next round would take. */
interface Verb<Report> {
  readonly run: (store: Store, sweep: Sweep) => Promise<Report>;
  readonly read: (store: Store, except: readonly string[]) => Promise<string[]>;
  readonly aside: SetAside;
}

/** Makes due executions ready on time, expires what is overdue, and requeues what dead workers held: in one worker at a time. */
export class Sweeper {
  readonly #options: SweeperOptions;
  readonly #loops: readonly Loop[];
  readonly #verbs;

  constructor(options: SweeperOptions) {
    this.#options = options;
    const { logger } = options;
    this.#verbs = {
      promote: { run: promote, read: readDue, aside: new SetAside("promote", logger) },
      expire: { run: expire, read: readOverdue, aside: new SetAside("expire", logger) },
      rescue: { run: rescue, read: readRescuable, aside: new SetAside("rescue", logger) },
    };
    const rounds = [() => this.#promote(), () => this.#expire(), () => this.#rescue(), () => this.#clean()];
    this.#loops = rounds.map((round) => new Loop(this.#byTurns(round), options.onError));
  }

  start(): void {
    for (const loop of this.#loops) loop.start();
  }

  /** Something was scheduled: it may be due before what was known. */
  wake(): void {
    this.#loops[0]?.wake();
  }

  /** It leads from now on. */
  takeOver(): void {
    for (const loop of this.#loops) loop.wake();
  }

  async stop(): Promise<void> {
    await Promise.all(this.#loops.map((loop) => loop.stop()));
  }

  /** One round of everything. */
  async runOnce(): Promise<number> {
    return Math.min(await this.#promote(), await this.#expire(), await this.#rescue(), await this.#clean());
  }

  /** Always while it leads, and now and then while it doesn't: of two that sweep at once each takes what the other hasn't locked. */
  #byTurns(round: () => Promise<number>): () => Promise<number> {
    let last = performance.now();
    return async () => {
      const leads = this.#options.leads();
      if (!leads && performance.now() - last < FOLLOW) return FOLLOW;
      last = performance.now();
      const next = await round();
      return leads ? next : FOLLOW;
    };
  }

  async #promote(): Promise<number> {
    const reports = await this.#sweep(this.#verbs.promote);
    return nextOf(reports, PROMOTE);
  }

  async #expire(): Promise<number> {
    const reports = await this.#sweep(this.#verbs.expire);
    return nextOf(reports, EXPIRE);
  }

  async #rescue(): Promise<number> {
    const rows = (await this.#sweep(this.#verbs.rescue)).flat();
    if (rows.length > 0)
      this.#options.logger.warn({ executions: rows.length }, "requeued what a worker or sidecar held that is gone");
    if (rows.length >= RESCUE_BATCH) return 0;
    return RESCUE * (0.75 + Math.random() / 2);
  }

  async #clean(): Promise<number> {
    const removed = await cleanExecutionLeases(this.#options.store);
    if (removed > 0) this.#options.logger.debug({ rows: removed }, "removed left-over lease rows");
    return CLEAN;
  }

  /** One round; where a row of it can't be written, the others by themselves, and that one not before a minute has passed. */
  async #sweep<Report>({ run, read, aside }: Verb<Report>): Promise<Report[]> {
    const { store, onTrouble } = this.#options;
    const except = aside.ids();
    try {
      return [await run(store, { only: null, except })];
    } catch (error) {
      if (!isRowRefused(error)) throw error;
      const ids = await read(store, except);
      const write = (only: readonly string[]) => run(store, { only, except: [] });
      const reports = await inHalves(ids, write, (id, refusal) => aside.add(id, refusal));
      const sentence = aside.tell();
      if (sentence !== null) onTrouble(sentence);
      return reports;
    }
  }
}

/** Milliseconds to the next round. */
function nextOf(reports: readonly { readonly nextInSeconds: number | null }[], longest: number): number {
  const seconds = reports.flatMap(({ nextInSeconds }) => (nextInSeconds === null ? [] : [nextInSeconds]));
  return Math.min(longest, ...seconds.map((each) => Math.max(0, each * 1000)));
}
