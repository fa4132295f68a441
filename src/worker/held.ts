import { setTimeout as sleep } from "node:timers/promises";
import type { AttemptTerms } from "../store/terms.ts";

/** What this incarnation has claimed and not yet written back. */
export interface HeldAttempt {
  readonly id: string;
  readonly fence: number;
  readonly task: string;
  /** How its end is judged. */
  readonly terms: AttemptTerms;
  /** A cancel of the user's was passed on. */
  cancelling: boolean;
  /** Its code is known to have begun. */
  started: boolean;
  /** It has a lease row, or may have one: whoever held it before may have written it. */
  leased: boolean;
}

export class HeldAttempts {
  readonly #byId = new Map<string, HeldAttempt>();
  readonly #waiting: (() => void)[] = [];

  get size(): number {
    return this.#byId.size;
  }

  /** `leased`: it has been held before. */
  add(id: string, fence: number, task: string, terms: AttemptTerms, leased = false): void {
    this.#byId.set(id, { id, fence, task, terms, cancelling: false, started: false, leased });
  }

  find(id: string, fence: number): HeldAttempt | null {
    const held = this.#byId.get(id);
    return held?.fence === fence ? held : null;
  }

  drop(id: string, fence: number): void {
    if (this.find(id, fence) === null) return;
    this.#byId.delete(id);
    if (this.#byId.size === 0) for (const resolve of this.#waiting.splice(0)) resolve();
  }

  all(): HeldAttempt[] {
    return [...this.#byId.values()];
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
}
