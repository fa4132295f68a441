/**
 * The lease of one incarnation, from its opening to its last word: kept by the beat, which tells what the incarnation has to tell, and lost for good with
 * the first reason for which it can't go on.
 */
import { hostname } from "node:os";
import { type RayferryError, SidecarError } from "../errors.ts";
import type { Logger } from "../logger.ts";
import { VERSION } from "../package.ts";
import type { BeatReport } from "../store/beat.ts";
import type { Store } from "../store/connection.ts";
import { closeLease, drainLease, openLease } from "../store/lease.ts";
import { Beater } from "./beater.ts";
import { LeaseSaid } from "./lease-said.ts";
import type { WorkerSettings } from "./options.ts";
import type { Served } from "./served.ts";
import { withinTime } from "./within-time.ts";

/** Milliseconds that an end waits for statements under way. */
export const END_WITHIN = 8_000;

export interface OwnLeaseOptions {
  /** The incarnation. */
  readonly id: string;
  readonly settings: WorkerSettings;
  readonly store: Store;
  readonly beatStore: Store;
  readonly drainRequested: boolean;
  /** The server that it submits to, and every one with a session. */
  readonly own: () => Served | null;
  readonly servers: () => readonly Served[];
  readonly onRenewed: (report: BeatReport, takesLead: boolean) => void;
  readonly logger: Logger;
}

export class OwnLease {
  readonly said = new LeaseSaid();
  readonly #options: OwnLeaseOptions;
  readonly #beater: Beater;
  readonly #lost = Promise.withResolvers<RayferryError>();
  #lostFor: RayferryError | null = null;
  #leads = false;
  #databaseTroubles = 0;
  #isEnding = false;

  constructor(options: OwnLeaseOptions) {
    this.#options = options;
    const { id, own, servers } = options;
    this.#beater = new Beater({
      store: options.beatStore,
      holder: id,
      servers,
      facts: () => this.said.facts(own(), servers()),
      onRenewed: (report, facts) => {
        this.said.written(facts);
        this.#renewed(report);
      },
      onServerEnded: (server) => this.#loseServer(server),
      onLeaseLost: (why) => this.lose(new SidecarError("LEASE_LOST", why)),
      onError: (error) => this.reportTrouble(error),
    });
  }

  /** It sweeps and prunes for all, as the last beat told. */
  get leads(): boolean {
    return this.#leads;
  }

  /** Resolves with why, when the incarnation can't go on though nobody stopped it. */
  get lost(): Promise<RayferryError> {
    return this.#lost.promise;
  }

  get lostFor(): RayferryError | null {
    return this.#lostFor;
  }

  /** @throws DatabaseError; after this it is to be closed. */
  async open(): Promise<void> {
    const { id, settings, store, drainRequested } = this.#options;
    const { name, queues } = settings;
    const openedAt = performance.now();
    await openLease(store, { id, name, host: hostname(), pid: process.pid, version: VERSION, queues, drainRequested });
    // A stop may have come meanwhile.
    if (!this.#isEnding) this.#beater.start(openedAt);
  }

  /** A server is there whose authority may be about to end. */
  wake(): void {
    this.#beater.wake();
  }

  /** The lease holds, by our own clock. */
  mayAct(): boolean {
    return this.#beater.mayAct();
  }

  /** From here on troubles with the database are no news. */
  expectEnd(): void {
    this.#isEnding = true;
  }

  /** The first reason counts. */
  lose(error: RayferryError): void {
    this.#lostFor ??= error;
    this.#lost.resolve(error);
  }

  /** The event loop stood still: whether what this incarnation held is still its own. Says so, in a clause. */
  stoodStill(milliseconds: number): string {
    this.#beater.stoodStill(milliseconds);
    const seconds = this.#beater.leaseLeft / 1000;
    if (seconds > 0) return `; its lease is good for another ${seconds.toFixed(1)} s`;
    return `; its lease ran out ${(-seconds).toFixed(1)} s ago, so that others may have what it held`;
  }

  /** A statement failed. Said once, until the database answers again. */
  reportTrouble(error: unknown): void {
    this.#databaseTroubles += 1;
    const message = error instanceof Error ? error.message : String(error);
    const { logger } = this.#options;
    this.said.report(message);
    if (this.#databaseTroubles === 1 && !this.#isEnding)
      logger.error({ error: message }, "a statement failed; it is tried again");
    else logger.debug({ error: message }, "a statement failed");
  }

  /** DRAINING: nothing is claimed by it any more. */
  drain(): Promise<void> {
    return this.lastWord(drainLease(this.#options.store, this.#options.id));
  }

  stopBeating(): Promise<void> {
    return withinTime(this.#beater.stop(), END_WITHIN);
  }

  close(reason: string | null): Promise<void> {
    return this.lastWord(closeLease(this.#options.store, this.#options.id, reason));
  }

  /** To a database that may not take it. */
  async lastWord(word: Promise<void>): Promise<void> {
    await withinTime(
      word.catch((error: unknown) => this.reportTrouble(error)),
      END_WITHIN,
    );
  }

  #renewed(report: BeatReport): void {
    this.#databaseTroubles = 0;
    const takesLead = report.leads && !this.#leads;
    if (takesLead) this.#options.logger.debug("leads: it sweeps for all workers");
    this.#leads = report.leads;
    this.#options.onRenewed(report, takesLead);
  }

  /** Nothing can be claimed for it any more. One that is drained ends with its authority. */
  #loseServer(server: string): void {
    if (server !== this.#options.own()?.server) return;
    this.lose(new SidecarError("SERVER_ENDED", "Its server was declared dead: what it held goes to others."));
  }
}
