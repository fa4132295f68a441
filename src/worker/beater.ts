import { type BeatReport, beat, type LeaseFacts } from "../store/beat.ts";
import type { Store } from "../store/connection.ts";
import { LEASE_SECONDS } from "../store/lease.ts";
import { Loop } from "./loop.ts";
import type { Served } from "./served.ts";

/** Milliseconds between beats; a lease lasts three of them. */
export const BEAT = 2_000;
/** Milliseconds after which an unrenewed lease has run out for us: the database's six seconds, less the time a statement may take. */
const OWN_LEASE = 5_500;
/** A beat that hangs fails in time for another within the same lease. Two connections, for one of them may be the one that leads nowhere. */
export const BEAT_LIMITS = { max: 2, statementTimeout: 2_000, lockTimeout: 1_500, silentAfter: 2_500 };

const UNRENEWED = "The lease ran out: Postgres couldn't be reached in time.";

export interface BeaterOptions {
  readonly store: Store;
  readonly holder: string;
  /** The servers that this incarnation has a session with. */
  readonly servers: () => readonly Served[];
  /** What the lease is to tell. */
  readonly facts: () => LeaseFacts;
  /** The lease was renewed, and tells these facts. */
  readonly onRenewed: (report: BeatReport, facts: LeaseFacts) => void;
  /** What this server holds is given to others: it is told no more that it may go on. */
  readonly onServerEnded: (server: string) => void;
  /** The lease has run out, for good: a sentence says why. */
  readonly onLeaseLost: (why: string) => void;
  readonly onError: (error: unknown) => void;
}

/** Keeps the lease alive. The server's authority hangs on its own tick, sent before the renewal and echoed after its commit. */
export class Beater {
  readonly #options: BeaterOptions;
  readonly #loop: Loop;
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

  /** `openedAt`, by `performance.now()`: before the statement was sent that opened the lease. */
  start(openedAt: number): void {
    this.#renewedAt = openedAt;
    this.#watchLease();
    this.#loop.start();
  }

  /** A server is there whose authority may be about to end: its tick is echoed now. */
  wake(): void {
    this.#loop.wake();
  }

  stop(): Promise<void> {
    if (this.#watchdog !== null) clearInterval(this.#watchdog);
    return this.#loop.stop();
  }

  /** Milliseconds until the lease runs out, by our own clock; below 0, it has. */
  get leaseLeft(): number {
    return this.#renewedAt + LEASE_SECONDS * 1000 - performance.now();
  }

  /**
   * Whether this incarnation may still act. Asked after every pause of unknown length: the lease may have run out while the event loop stood still or
   * a statement was under way, and nobody has told yet. From then on others may have what it held; for the answer to a beat that was sent in time it
   * waits a little longer, before it is lost for good.
   */
  mayAct(): boolean {
    if (performance.now() - this.#renewedAt > OWN_LEASE + BEAT) this.#lose(UNRENEWED);
    return !this.#lost && this.leaseLeft > 0;
  }

  /** The event loop, and the beat with it, stood still. */
  stoodStill(milliseconds: number): void {
    const seconds = (milliseconds / 1000).toFixed(1);
    if (this.leaseLeft < 0) this.#lose(`The lease ran out: the worker stood still for ${seconds} s.`);
  }

  /** By a timer too: a statement on a silent connection never fails. */
  #watchLease(): void {
    this.#watchdog = setInterval(() => this.mayAct(), BEAT);
  }

  async runOnce(): Promise<number> {
    const { store, holder, servers, onRenewed } = this.#options;
    // Before the statement is sent: the database's clock starts later, and gives more.
    const begun = performance.now();
    const served = servers();
    const ticked = served.flatMap((each) => {
      const tick = each.newTick();
      return tick === null ? [] : [{ each, tick }];
    });
    const facts = this.#options.facts();
    const report = await beat(
      store,
      holder,
      facts,
      served.map((each) => each.server),
      ticked.map(({ each }) => ({ server: each.server, seconds: each.authoritySeconds })),
    );
    if (!report.renewed) {
      this.#lose(UNRENEWED);
      return BEAT;
    }
    this.#renewedAt = begun;
    for (const { each, tick } of ticked) {
      if (report.authorized.includes(each.server)) each.echo(tick);
      else this.#options.onServerEnded(each.server);
    }
    for (const { attempts } of served) {
      attempts.cancels.passOn(report.cancels);
      const rows = report.held.find(({ server }) => server === attempts.server)?.rows ?? 0;
      void attempts.afterBeat(rows, report.overdue);
    }
    onRenewed(report, facts);
    return Math.max(0, BEAT - (performance.now() - begun));
  }

  #failed(error: unknown): void {
    this.#options.onError(error);
    if (performance.now() - this.#renewedAt > OWN_LEASE) this.#lose(UNRENEWED);
  }

  #lose(why: string): void {
    if (this.#lost) return;
    this.#lost = true;
    this.#options.onLeaseLost(why);
  }
}
