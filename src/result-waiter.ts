/**
 * Waits for executions to end. One subscription for all waiters; behind it one query for all of them, every half second at first and every 5 s
 * at last (each second where LISTEN doesn't work), so that a lost notification costs seconds and nothing else. Postgres restarting is ridden over: the poll goes on.
 */
import {
  ClosedError,
  ConfigurationError,
  DatabaseNotMigratedError,
  ExecutionNotFoundError,
  ResultTimeoutError,
} from "./errors.ts";
import type { ExecutionRow } from "./execution-row.ts";
import type { Store } from "./store/connection.ts";
import { isTransient } from "./store/database-error.ts";
import { type Listening, listen } from "./store/listen.ts";
import { type ExistingRow, readExisting, readFinished } from "./store/read.ts";
import { expireMet } from "./store/timely.ts";
import type { ResultOptions } from "./verb-options.ts";

const FIRST_POLL = 500;
const LAST_POLL = 5_000;
/** Milliseconds that a worker gets to expire what is overdue. */
const AFTER_DEADLINE = 250;
const LAST_POLL_WITHOUT_LISTEN = 1_000;
const LONGEST_SECONDS = 2_000_000;
/** Ids asked for at once. */
const BATCH = 1_000;

interface Waiter {
  readonly resolve: (row: ExecutionRow) => void;
  readonly reject: (error: Error) => void;
}

export class ResultWaiter {
  readonly #store: Store;
  readonly #waiters = new Map<string, Set<Waiter>>();
  #listening: Promise<Listening | null> | null = null;
  #timer: NodeJS.Timeout | null = null;
  /** Before the next poll, where somebody's deadline is. */
  #deadline: NodeJS.Timeout | null = null;
  #interval = FIRST_POLL;
  #due = new Set<string>();
  #reading = false;
  #closed = false;

  constructor(store: Store) {
    this.#store = store;
  }

  /** The execution's row once it has ended. */
  async wait(id: string, options: ResultOptions): Promise<ExecutionRow> {
    if (this.#closed) throw new ClosedError("This backend is closed.");
    options.signal?.throwIfAborted();
    const timeout = checkTimeout(options.timeout);
    const { promise, resolve, reject } = Promise.withResolvers<ExecutionRow>();
    const waiter: Waiter = { resolve, reject };
    const waiters = this.#waiters.get(id) ?? new Set();
    this.#waiters.set(id, waiters.add(waiter));
    const onAbort = () => reject(options.signal?.reason);
    options.signal?.addEventListener("abort", onAbort, { once: true });
    const timer =
      timeout === undefined
        ? null
        : setTimeout(
            () =>
              reject(
                new ResultTimeoutError(`Execution ${id} hasn't ended after ${timeout} s. It goes on; ask again later.`),
              ),
            timeout * 1000,
          );
    this.#begin(id);
    try {
      return await promise;
    } finally {
      if (timer !== null) clearTimeout(timer);
      options.signal?.removeEventListener("abort", onAbort);
      waiters.delete(waiter);
      if (waiters.size === 0 && this.#waiters.get(id) === waiters) this.#waiters.delete(id);
      if (this.#waiters.size === 0) this.#rest();
    }
  }

  /** Rejects who still waits. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const waiter of [...this.#waiters.values()].flatMap((each) => [...each])) {
      waiter.reject(new ClosedError("The backend was closed while a result was waited for. The execution goes on."));
    }
    this.#rest();
    const listening = await this.#listening?.catch(() => null);
    listening?.stop();
  }

  #begin(id: string): void {
    this.#listening ??= listen(
      this.#store,
      this.#store.names.finishedChannel,
      (payload) => this.#look(payload.split(",").filter((each) => this.#waiters.has(each))),
      () => this.#lookAgain(),
    ).catch(() => {
      // Polling does without; the next waiter tries again.
      this.#listening = null;
      return null;
    });
    this.#interval = FIRST_POLL;
    this.#schedule();
    this.#look([id], true);
  }

  /** Something may have been missed, or LISTEN works no more: a long interval under way is cut short. */
  #lookAgain(): void {
    if (this.#waiters.size === 0) return;
    this.#interval = FIRST_POLL;
    this.#schedule();
    this.#look([...this.#waiters.keys()]);
  }

  #rest(): void {
    for (const timer of [this.#timer, this.#deadline]) if (timer !== null) clearTimeout(timer);
    this.#timer = null;
    this.#deadline = null;
  }

  #schedule(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = setTimeout(
      () => {
        const last = this.#store.listener?.works === true ? LAST_POLL : LAST_POLL_WITHOUT_LISTEN;
        this.#interval = Math.min(this.#interval * 1.5, last);
        this.#look([...this.#waiters.keys()], true);
        this.#schedule();
      },
      this.#interval * (0.75 + Math.random() / 2),
    );
  }

  /** Asks for those of `ids` that have ended; one query at a time, what comes meanwhile goes into the next. */
  #look(ids: readonly string[], checkExistence = false): void {
    for (const id of ids) this.#due.add(id);
    if (this.#reading || this.#due.size === 0) return;
    this.#reading = true;
    void this.#read(checkExistence).finally(() => {
      this.#reading = false;
      if (this.#due.size > 0 && !this.#closed) this.#look([]);
    });
  }

  async #read(checkExistence: boolean): Promise<void> {
    const ids = [...this.#due].slice(0, BATCH);
    for (const id of ids) this.#due.delete(id);
    try {
      const rows = await readFinished(this.#store, ids);
      for (const row of rows) this.#settle(row.id, (waiter) => waiter.resolve(row));
      const open = ids.filter((id) => this.#waiters.has(id));
      if (checkExistence && open.length > 0) await this.#rejectMissing(open);
    } catch (error) {
      if (isTransient(error)) return;
      const cause = error instanceof Error ? error : new DatabaseNotMigratedError(String(error));
      for (const id of ids) this.#settle(id, (waiter) => waiter.reject(cause));
    }
  }

  async #rejectMissing(ids: readonly string[]): Promise<void> {
    const there = await readExisting(this.#store, ids);
    await this.#expire(there);
    const existing = new Set(there.map(({ id }) => id));
    for (const id of ids.filter((each) => !existing.has(each))) {
      const error = new ExecutionNotFoundError(
        `There is no execution ${id}. If it was enqueued in a transaction, wait for its commit first.`,
      );
      this.#settle(id, (waiter) => waiter.reject(error));
    }
  }

  /** With no worker alive to see to deadlines, whoever waits does. */
  async #expire(rows: readonly ExistingRow[]): Promise<void> {
    const overdue = rows.filter((row) => row.overdue).map(({ id }) => id);
    const next = Math.min(
      ...rows.map(({ overdue, expiresInSeconds }) => (overdue ? null : expiresInSeconds) ?? Infinity),
    );
    if (next * 1000 < this.#interval) this.#lookAtDeadline(next * 1000 + AFTER_DEADLINE);
    if (overdue.length === 0) return;
    await expireMet(this.#store, overdue);
    this.#look(overdue);
  }

  #lookAtDeadline(milliseconds: number): void {
    if (this.#deadline !== null) clearTimeout(this.#deadline);
    this.#deadline = setTimeout(() => this.#look([...this.#waiters.keys()], true), milliseconds);
  }

  #settle(id: string, act: (waiter: Waiter) => void): void {
    for (const waiter of this.#waiters.get(id) ?? []) act(waiter);
  }
}

/** @throws ConfigurationError; undefined for longer than a timer can be set: 23 days are for ever. */
function checkTimeout(seconds: number | undefined): number | undefined {
  if (seconds === undefined || seconds > LONGEST_SECONDS) return undefined;
  if (seconds >= 0) return seconds;
  throw new ConfigurationError(`timeout must be a number of seconds, 0 or more, not ${seconds}.`);
}
