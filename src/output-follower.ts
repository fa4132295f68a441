/**
 * Wakes those who follow what executions bring forth: log lines, stream items, and their end. One subscription for all of them; behind it everybody looks
 * by himself, half a second after the last news at first and every 5 s at last (each second where LISTEN doesn't work).
 *
 * It only says when to look: whoever follows reads from the last that he has, so that a notification too many or too few costs a look or some seconds.
 */
import { ClosedError } from "./errors.ts";
import type { Store } from "./store/connection.ts";
import { type Listening, listen } from "./store/listen.ts";

const FIRST_POLL = 500;
const LAST_POLL = 5_000;
const LAST_POLL_WITHOUT_LISTEN = 1_000;

export class OutputFollower {
  readonly #store: Store;
  readonly #following = new Map<string, Set<Following>>();
  #listening: Promise<(Listening | null)[]> | null = null;
  #closed = false;

  constructor(store: Store) {
    this.#store = store;
  }

  /** From now until `stop()`. Its `next()` says when to look. */
  follow(id: string, signal?: AbortSignal): Following {
    if (this.#closed) throw new ClosedError("This backend is closed.");
    const all = this.#following.get(id) ?? new Set();
    const following = new Following({
      longestPoll: () => (this.#store.listener?.works === true ? LAST_POLL : LAST_POLL_WITHOUT_LISTEN),
      onStop: () => {
        all.delete(following);
        if (all.size === 0 && this.#following.get(id) === all) this.#following.delete(id);
      },
      signal: signal ?? null,
    });
    this.#following.set(id, all.add(following));
    this.#subscribe();
    return following;
  }

  /** Whoever still follows gets a ClosedError. */
  async close(): Promise<void> {
    this.#closed = true;
    const error = new ClosedError("The backend was closed while an execution was followed. The execution goes on.");
    for (const each of this.#all()) each.fail(error);
    for (const listening of (await this.#listening?.catch(() => [])) ?? []) listening?.stop();
  }

  #subscribe(): void {
    const { outputChannel, finishedChannel } = this.#store.names;
    const onNotify = (payload: string) => {
      for (const id of payload.split(",")) for (const each of this.#following.get(id) ?? []) each.wake();
    };
    const onConnect = () => {
      for (const each of this.#all()) each.wake();
    };
    const channels = [outputChannel, finishedChannel];
    this.#listening ??= Promise.all(channels.map((channel) => listen(this.#store, channel, onNotify, onConnect))).catch(
      () => {
        // Polling does without; the next one who follows tries again.
        this.#listening = null;
        return [];
      },
    );
  }

  #all(): Following[] {
    return [...this.#following.values()].flatMap((each) => [...each]);
  }
}

interface FollowingOptions {
  /** Milliseconds. */
  readonly longestPoll: () => number;
  readonly onStop: () => void;
  readonly signal: AbortSignal | null;
}

/** One execution, followed by one reader. */
export class Following implements Disposable {
  readonly #options: FollowingOptions;
  readonly #onAbort = () => this.fail(this.#options.signal?.reason);
  #hasNews = true;
  #interval = FIRST_POLL;
  #waiting: PromiseWithResolvers<void> | null = null;
  #failure: { readonly reason: unknown } | null = null;

  constructor(options: FollowingOptions) {
    this.#options = options;
    if (options.signal?.aborted) this.#onAbort();
    else options.signal?.addEventListener("abort", this.#onAbort, { once: true });
  }

  /**
   * Resolves when it is time to look: the first time at once, then when something was told since the last call, or a poll is due; at the latest after
   * `atMost` milliseconds.
   *
   * @throws ClosedError, or the reason of the signal.
   */
  async next(atMost: number = Number.POSITIVE_INFINITY): Promise<void> {
    if (this.#failure !== null) throw this.#failure.reason;
    if (!this.#hasNews) await this.#wait(Math.min(this.#interval * (0.75 + Math.random() / 2), atMost));
    this.#interval = this.#hasNews ? FIRST_POLL : Math.min(this.#interval * 1.5, this.#options.longestPoll());
    this.#hasNews = false;
  }

  async #wait(milliseconds: number): Promise<void> {
    const waiting = Promise.withResolvers<void>();
    this.#waiting = waiting;
    const timer = setTimeout(waiting.resolve, milliseconds);
    try {
      await waiting.promise;
    } finally {
      clearTimeout(timer);
      this.#waiting = null;
    }
  }

  /** Something was told of it. */
  wake(): void {
    this.#hasNews = true;
    this.#waiting?.resolve();
  }

  /** `next()` throws this from now on. */
  fail(reason: unknown): void {
    this.#failure ??= { reason };
    this.#waiting?.reject(reason);
  }

  /** Nobody follows any more. */
  stop(): void {
    this.#options.signal?.removeEventListener("abort", this.#onAbort);
    this.#options.onStop();
  }

  [Symbol.dispose](): void {
    this.stop();
  }
}
