/**
 * LISTEN, and whether it works. A transaction pooler takes a LISTEN and drops what it should bring; a connection that is open at one end only brings
 * nothing either, and nobody is told. So each listener sends itself a notification, through another connection, and sees whether it comes:
 *
 *   at the first subscription, after each reconnect, each 30 s ── it comes ──► works: who subscribed polls each 5 s
 *                                                              └─ it doesn't ► doesn't work: polls each second; the connection is replaced at once,
 *                                                                              then again after 5 s, 10 s, ... 60 s
 */
import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type postgres from "postgres";
import type { Queryable } from "./queryable.ts";

/** Milliseconds between tests at most. */
const LONGEST_PAUSE = 60_000;

/** Milliseconds. */
export interface SelfTestTimes {
  /** Between tests that pass, on average. */
  readonly every: number;
  /** For the notification to come. */
  readonly patience: number;
  /** From a test that failed to the next, doubled each time. */
  readonly again: number;
}

export const SELF_TEST: SelfTestTimes = { every: 30_000, patience: 2_000, again: 5_000 };

export interface Subscriber {
  readonly onNotify: (payload: string) => void;
  /** The subscription is (again) up, or its verdict has changed: what came before may have been missed. */
  readonly onConnect: () => void;
}

export interface ListenerOptions {
  /** Opens a client for this listener alone; with one of the caller's, which can't be replaced, that. */
  readonly open: () => postgres.Sql;
  readonly replaceable: boolean;
  /** Another way to the same database. */
  readonly sender: Queryable;
  readonly times?: SelfTestTimes;
}

export class Listener {
  readonly #options: ListenerOptions;
  readonly #times: SelfTestTimes;
  readonly #channels = new Map<string, Set<Subscriber>>();
  /** Settled when the channel's subscription is up, or has failed for now. */
  readonly #ready = new Map<string, Promise<void>>();
  readonly #verdictListeners = new Set<(works: boolean) => void>();
  readonly #probe = `rayferry_probe_${randomBytes(8).toString("hex")}`;
  #client: postgres.Sql | null = null;
  #works: boolean | null = null;
  #timer: NodeJS.Timeout | null = null;
  #testing = false;
  /** The connection came up while a test was under way: what that had sent may have been missed. */
  #stale = false;
  /** Postgres was away at the last test: the subscription may come back a moment later than Postgres. */
  #excused = false;
  #failures = 0;
  #onProbe: (payload: string) => void = () => {};
  #closed = false;

  constructor(options: ListenerOptions) {
    this.#options = options;
    this.#times = options.times ?? SELF_TEST;
  }

  /** The last self-test passed. */
  get works(): boolean {
    return this.#works === true;
  }

  /** Calls back with each new verdict, and at once with the last one. Answers how to stop that. */
  onVerdict(told: (works: boolean) => void): () => void {
    this.#verdictListeners.add(told);
    if (this.#works !== null) told(this.#works);
    return () => void this.#verdictListeners.delete(told);
  }

  /** Resolves when the subscription is up, or has failed for now: it goes on trying, and `onConnect` tells. */
  async subscribe(channel: string, subscriber: Subscriber): Promise<() => void> {
    const known = this.#channels.get(channel);
    const subscribers = known ?? new Set();
    this.#channels.set(channel, subscribers.add(subscriber));
    if (this.#timer === null && !this.#testing) this.#testIn(0);
    if (this.#client === null) await this.#open();
    else if (known === undefined) await this.#listenTo(this.#client, channel);
    else {
      await this.#ready.get(channel);
      subscriber.onConnect();
    }
    // postgres.js renews its channels at every reconnect, so that an unlisten finds nothing to remove: the channel stays.
    return () => void subscribers.delete(subscriber);
  }

  async close(): Promise<void> {
    this.#closed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    if (this.#options.replaceable) await this.#client?.end({ timeout: 0 }).catch(() => {});
  }

  async #open(): Promise<void> {
    const client = this.#options.open();
    this.#client = client;
    const probe = client.listen(
      this.#probe,
      (payload) => this.#onProbe(payload),
      () => this.#connected(),
    );
    probe.catch(() => {});
    // Should the connection never come up, the first test says so.
    this.#testIn(this.#times.patience);
    await Promise.all([...this.#channels.keys()].map((channel) => this.#listenTo(client, channel)));
  }

  #listenTo(client: postgres.Sql, channel: string): Promise<void> {
    const all = () => [...(this.#channels.get(channel) ?? [])];
    const listening = client.listen(
      channel,
      (payload) => {
        for (const each of all()) each.onNotify(payload);
      },
      () => {
        for (const each of all()) each.onConnect();
      },
    );
    // Whoever subscribed polls meanwhile: nobody's start is to wait for a host that doesn't answer.
    const patience = sleep(this.#times.patience, undefined, { ref: false });
    const ready = Promise.race([listening, patience]).then(
      () => {},
      () => {},
    );
    this.#ready.set(channel, ready);
    return ready;
  }

  #connected(): void {
    if (this.#testing) this.#stale = true;
    // Replaced again and again, a connection is tested in its time.
    else if (this.#failures <= 1) this.#testIn(0);
  }

  #testIn(milliseconds: number): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    if (this.#closed) return;
    this.#timer = setTimeout(() => void this.#test(), milliseconds);
    // A client that has nothing else to do may end.
    this.#timer.unref();
  }

  async #test(): Promise<void> {
    this.#timer = null;
    if (this.#testing || this.#subscribers().length === 0) return;
    this.#testing = true;
    this.#stale = false;
    const came = await this.#cameBack();
    this.#testing = false;
    if (this.#closed) return;
    if (came !== true && this.#stale) return this.#testIn(0);
    this.#decide(came);
    const { every, again } = this.#times;
    const pause = came === true ? every : Math.min(again * 2 ** Math.max(0, this.#failures - 1), LONGEST_PAUSE);
    this.#testIn(pause * (0.75 + Math.random() / 2));
  }

  async #cameBack(): Promise<boolean | null> {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const payload = randomBytes(8).toString("hex");
    this.#onProbe = (came) => {
      if (came === payload) resolve(true);
    };
    try {
      await this.#options.sender.query("select pg_notify($1::text, $2::text)", [this.#probe, payload]);
    } catch {
      return null;
    }
    const timer = setTimeout(() => resolve(false), this.#times.patience);
    return await promise.finally(() => clearTimeout(timer));
  }

  #decide(came: boolean | null): void {
    const excused = this.#excused;
    // What couldn't be sent says nothing of what would have come.
    this.#excused = came === null;
    if (came === null) return;
    this.#failures = came ? 0 : this.#failures + 1;
    if (!came && this.#options.replaceable) this.#replace();
    if ((!came && excused) || this.#works === came) return;
    const isFirst = this.#works === null;
    this.#works = came;
    for (const told of [...this.#verdictListeners]) told(came);
    // Who waits out a long interval is to look now, and to go by the other one.
    if (!isFirst || !came) for (const each of this.#subscribers()) each.onConnect();
  }

  #subscribers(): Subscriber[] {
    return [...this.#channels.values()].flatMap((channel) => [...channel]);
  }

  #replace(): void {
    this.#client?.end({ timeout: 0 }).catch(() => {});
    this.#open().catch(() => {});
  }
}
