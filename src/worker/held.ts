import { setTimeout as sleep } from "node:timers/promises";
import type { AttemptPhase } from "../attempt.ts";
import type { AttemptTerms } from "../store/terms.ts";
import type { Begun } from "./begun.ts";

/** Milliseconds that a timer can be set for, at most. */
const LONGEST_TIMER = 2 ** 31 - 1;

/** What this incarnation has claimed and not yet written back. */
export interface HeldAttempt {
  readonly id: string;
  readonly fence: number;
  readonly task: string;
  /** How its end is judged. */
  readonly terms: AttemptTerms;
  /** By `performance.now()`. */
  readonly heldSince: number;
  /** SUBMITTED: sent. PENDING: its server has it. RUNNING: its code is known to have begun. */
  phase: AttemptPhase;
  /** Its real start, once its server has told of it. */
  begun: Begun | null;
  /** A cancel of the user's was passed on. */
  cancelling: boolean;
  /** It has a lease row, or may have one: whoever held it before may have written it. The verb that ends it is to remove it. */
  leased: boolean;
  /** Its code is known to have begun. */
  readonly started: boolean;
}

class Held implements HeldAttempt {
  readonly heldSince = performance.now();
  phase: AttemptPhase = "SUBMITTED";
  begun: Begun | null = null;
  cancelling = false;
  leased = false;
  deadline: NodeJS.Timeout | null = null;
  readonly id: string;
  readonly fence: number;
  readonly task: string;
  readonly terms: AttemptTerms;

  constructor(id: string, fence: number, task: string, terms: AttemptTerms) {
    this.id = id;
    this.fence = fence;
    this.task = task;
    this.terms = terms;
  }

  get started(): boolean {
    return this.phase === "RUNNING";
  }
}

export class HeldAttempts {
  readonly #byId = new Map<string, Held>();
  readonly #waiting: (() => void)[] = [];
  readonly #onOverdue: (attempt: HeldAttempt) => void;

  /** `onOverdue`: its `queueTimeout` is over, and it isn't known to have begun. */
  constructor(onOverdue: (attempt: HeldAttempt) => void = () => {}) {
    this.#onOverdue = onOverdue;
  }

  get size(): number {
    return this.#byId.size;
  }

  /** `leased`: it has been held before. */
  add(id: string, fence: number, task: string, terms: AttemptTerms, leased = false): HeldAttempt {
    this.#forgetDeadline(this.#byId.get(id));
    const attempt = new Held(id, fence, task, terms);
    attempt.leased = leased;
    this.#byId.set(id, attempt);
    if (terms.expiresInSeconds !== null) this.#watchDeadline(attempt, terms.expiresInSeconds * 1000);
    return attempt;
  }

  find(id: string, fence: number): HeldAttempt | null {
    const held = this.#byId.get(id);
    return held?.fence === fence ? held : null;
  }

  drop(id: string, fence: number): void {
    if (this.find(id, fence) === null) return;
    this.#forgetDeadline(this.#byId.get(id));
    this.#byId.delete(id);
    if (this.#byId.size === 0) for (const resolve of this.#waiting.splice(0)) resolve();
  }

  all(): HeldAttempt[] {
    return [...this.#byId.values()];
  }

  /** How many are in each phase. */
  phases(): Record<AttemptPhase, number> {
    const counts = { SUBMITTED: 0, PENDING: 0, RUNNING: 0 };
    for (const { phase } of this.#byId.values()) counts[phase] += 1;
    return counts;
  }

  /** The incarnation ends: nobody withdraws any more. */
  forgetDeadlines(): void {
    for (const each of this.#byId.values()) this.#forgetDeadline(each);
  }

  /** Until everything that is held is known to have begun, at the latest after `milliseconds`. */
  async settledWithin(milliseconds: number): Promise<void> {
    const until = performance.now() + milliseconds;
    while (this.all().some(({ started }) => !started) && performance.now() < until) await sleep(20);
  }

  /** Whether nothing is held any more, at the latest after `milliseconds`. */
  async emptyWithin(milliseconds: number): Promise<boolean> {
    if (this.size === 0) return true;
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, milliseconds);
    });
    await Promise.race([timeout, new Promise<void>((resolve) => this.#waiting.push(resolve))]);
    clearTimeout(timer);
    return this.size === 0;
  }

  /** By a monotonic timer: the deadline is the database's, and only how far away it is was told. */
  #watchDeadline(attempt: Held, milliseconds: number): void {
    const wait = Math.min(Math.max(milliseconds, 0), LONGEST_TIMER);
    attempt.deadline = setTimeout(() => {
      if (milliseconds > LONGEST_TIMER) this.#watchDeadline(attempt, milliseconds - LONGEST_TIMER);
      else if (!attempt.started) this.#onOverdue(attempt);
    }, wait).unref();
  }

  #forgetDeadline(attempt: Held | undefined): void {
    if (attempt?.deadline) clearTimeout(attempt.deadline);
  }
}
