import { setTimeout as sleep } from "node:timers/promises";
import type { ServerMessageOf, WorkerMessage } from "../../bridge/src/index.ts";
import type { Logger } from "../logger.ts";
import type { Store } from "../store/connection.ts";
import { readOwn, readStillOwn } from "../store/lease.ts";
import { isRowRefused } from "../store/row-refused.ts";
import { asUnstorable, type Ended, toEnded, type Verb, verbOf } from "./ended.ts";
import type { HeldAttempts } from "./held.ts";
import { Loop } from "./loop.ts";
import { SetAside } from "./set-aside.ts";
import { writeBack } from "./write-back.ts";

/** Rows a statement. */
const BATCH = 1_000;
/** The loop is woken by results; this is only its heartbeat. */
const IDLE = 60_000;
/** Milliseconds to another look at rows that somebody had locked: a claim locks for a moment what was taken before it, an application for minutes. */
const LOCKED = 10;
const LOCKED_FOR_LONG = 500;
/** Bytes of values that wait for Postgres at which the server is asked to wait too. */
const MOST_BYTES = 16 * 1024 * 1024;
/** What a result takes beside its value, roughly. */
const RESULT_BYTES = 500;

type Result = ServerMessageOf<"result">;

interface Pending {
  readonly result: Result;
  readonly receivedAt: number;
}

export interface CompleterOptions {
  readonly store: Store;
  readonly send: (message: WorkerMessage) => void;
  /** While held, the server sends no more than its credit. */
  readonly hold: (isHeld: boolean) => void;
  readonly held: HeldAttempts;
  readonly holder: string;
  readonly logger: Logger;
  /** Slots are free again. */
  readonly onRoom: () => void;
  readonly onError: (error: unknown) => void;
}

/**
 * Writes back how attempts ended, in batches: what comes while a statement is under way goes into the next one. The server keeps a result until it is
 * told that Postgres has it, so that nothing is lost while Postgres is gone.
 */
export class Completer {
  readonly #options: CompleterOptions;
  readonly #loop: Loop;
  /** What Postgres takes in no form: a CHECK or trigger of somebody's refuses FAILED too. */
  readonly #aside: SetAside;
  #pending: Pending[] = [];
  #bytes = 0;
  /** Rounds in a row that found all that was left locked. */
  #lockedRounds = 0;
  /** Write-backs that lost to a newer fence or holder. */
  refused = 0;

  constructor(options: CompleterOptions) {
    this.#options = options;
    this.#aside = new SetAside("record", options.logger);
    this.#loop = new Loop(() => this.runOnce(), options.onError);
  }

  start(): void {
    this.#loop.start();
  }

  stop(): Promise<void> {
    return this.#loop.stop();
  }

  add(result: Result): void {
    this.#pending.push({ result, receivedAt: performance.now() });
    this.#count(sizeOf(result));
    this.#loop.wake();
  }

  /** Resolves when nothing is left to write, or after `milliseconds`. */
  async flush(milliseconds: number): Promise<void> {
    const until = performance.now() + milliseconds;
    while (this.#pending.length > 0 && performance.now() < until) await sleep(20);
  }

  async runOnce(): Promise<number> {
    const isDue = ({ result }: Pending) => !this.#aside.has(result.execution);
    const batch = this.#pending.filter(isDue).slice(0, BATCH);
    if (batch.length === 0) return IDLE;
    const { held } = this.#options;
    await this.#learnTerms(batch);
    const byVerb = new Map<Verb, Ended[]>();
    for (const { result, receivedAt } of batch) {
      const attempt = held.find(result.execution, result.fence);
      if (attempt === null) continue;
      const ended = toEnded(result, receivedAt, attempt);
      const group = byVerb.get(verbOf(ended));
      if (group === undefined) byVerb.set(verbOf(ended), [ended]);
      else group.push(ended);
    }
    // Each is done with before the next: should that fail, the first isn't written again, and refused.
    for (const group of byVerb.values()) await this.#record(group);
    this.#aside.tell();
    this.#options.onRoom();
    const left = this.#pending.filter(isDue);
    const isLocked = left.length > 0 && left.every((each) => batch.includes(each));
    this.#lockedRounds = isLocked ? this.#lockedRounds + 1 : 0;
    if (isLocked) return Math.min(LOCKED * 2 ** (this.#lockedRounds - 1), LOCKED_FOR_LONG);
    return left.length > 0 ? 0 : IDLE;
  }

  /**
   * What isn't held may be this holder's all the same: an answer of Postgres's was lost, and the reconciler hasn't looked yet. Its end is judged by what
   * its row says. The rest is another's, and refused here.
   */
  async #learnTerms(batch: readonly Pending[]): Promise<void> {
    const { store, holder, held } = this.#options;
    const strangers = batch
      .map(({ result }) => result)
      .filter(({ execution, fence }) => held.find(execution, fence) === null);
    if (strangers.length === 0) return;
    const keys = strangers.map(({ execution, fence }) => ({ id: execution, fence }));
    for (const { id, fence, task, terms, cancelling } of await readOwn(store, holder, keys)) {
      const attempt = held.add(id, fence, task, terms, true);
      attempt.phase = "RUNNING";
      attempt.cancelling = cancelling;
    }
    const refused = strangers.filter(({ execution, fence }) => held.find(execution, fence) === null);
    for (const { execution, fence } of refused) this.#refuse(execution, fence);
    this.#settleResults(refused);
  }

  #refuse(execution: string, fence: number): void {
    this.refused += 1;
    this.#options.logger.warn({ execution, fence }, "refused a late result: the execution has another holder or fence");
  }

  #count(bytes: number): void {
    const before = this.#bytes > MOST_BYTES;
    this.#bytes += bytes;
    const isFull = this.#bytes > MOST_BYTES;
    if (isFull !== before) this.#options.hold(isFull);
  }

  /** Writes a batch of one verb; where Postgres refuses it for what is in it, halves, so that a row that can't be stored stops no other. */
  async #record(batch: readonly Ended[]): Promise<void> {
    try {
      this.#settle(await this.#write(batch));
    } catch (error) {
      // A full disk or a cancelled statement says nothing about the result: it is written later.
      if (!isRowRefused(error)) throw error;
      const [only] = batch;
      if (batch.length === 1 && only !== undefined) {
        await this.#recordRefusal(only, error);
        return;
      }
      const middle = batch.length >> 1;
      await this.#record(batch.slice(0, middle));
      await this.#record(batch.slice(middle));
    }
  }

  async #recordRefusal(ended: Ended, error: unknown): Promise<void> {
    try {
      if ((await this.#write([asUnstorable(ended, error)])).length > 0) this.#settle([ended]);
    } catch (refusal) {
      if (!isRowRefused(refusal)) throw refusal;
      this.#aside.add(ended.id, refusal);
    }
  }

  /** Those of the batch that are done with: accepted, or refused for good. What somebody has locked is written later. */
  async #write(batch: readonly Ended[]): Promise<readonly Ended[]> {
    const { store, holder, logger } = this.#options;
    const accepted = await writeBack(store, holder, batch, logger);
    const others = batch.filter(({ id }) => !accepted.has(id));
    if (others.length === 0) return batch;
    const locked = await readStillOwn(store, holder, others);
    for (const { id, fence } of others) if (!locked.has(id)) this.#refuse(id, fence);
    return batch.filter(({ id }) => !locked.has(id));
  }

  #settle(batch: readonly Ended[]): void {
    this.#settleResults(batch.map(({ result }) => result));
  }

  #settleResults(results: readonly Result[]): void {
    if (results.length === 0) return;
    const { held, send } = this.#options;
    const settled = new Set(results);
    this.#pending = this.#pending.filter(({ result }) => !settled.has(result));
    this.#count(-results.reduce((sum, result) => sum + sizeOf(result), 0));
    for (const { execution, fence } of results) held.drop(execution, fence);
    send({ type: "recorded", attempts: results.map(({ execution, fence }) => [execution, fence] as const) });
  }
}

function sizeOf(result: Result): number {
  return RESULT_BYTES + (result.value?.byteLength ?? 0);
}
