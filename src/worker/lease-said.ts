import type { LeaseFacts } from "../store/beat.ts";
import type { Served } from "./served.ts";

/** What an incarnation has to tell by its lease: gathered here, written down by the beat. */
export class LeaseSaid {
  /** Null before it is READY. */
  slots: number | null = null;
  sidecarPid: number | null = null;
  #trouble: { readonly message: string; readonly at: number } | null = null;
  /** Of each server, what was counted already: a session that has ended tells no more. */
  readonly #counted = new WeakMap<Served, number>();
  #refused = 0;

  /** A trouble, or what the start waits for; the last one is kept. */
  report(message: string): void {
    this.#trouble = { message, at: performance.now() };
  }

  /** The start is over, and what it waited for is no news any more. */
  forgetTrouble(): void {
    this.#trouble = null;
  }

  /** `own`: the server that is submitted to; `servers`: every one with a session. */
  facts(own: Served | null, servers: readonly Served[]): LeaseFacts {
    const phases = servers.map(({ attempts }) => attempts.held.phases());
    const sum = (phase: "SUBMITTED" | "PENDING" | "RUNNING") => phases.reduce((total, each) => total + each[phase], 0);
    for (const each of servers) this.#count(each);
    return {
      submitted: sum("SUBMITTED"),
      pending: sum("PENDING"),
      running: sum("RUNNING"),
      slots: this.slots,
      refused: this.#refused,
      server: own?.server ?? null,
      sidecarPid: this.sidecarPid,
      accepting: own?.accepting ?? null,
      ray: own?.ray ?? null,
      trouble:
        this.#trouble === null
          ? null
          : { message: this.#trouble.message, ageSeconds: (performance.now() - this.#trouble.at) / 1000 },
    };
  }

  /** These facts are in Postgres. */
  written({ trouble }: LeaseFacts): void {
    if (trouble?.message === this.#trouble?.message) this.#trouble = null;
  }

  #count(served: Served): void {
    const { refused } = served.attempts;
    this.#refused += refused - (this.#counted.get(served) ?? 0);
    this.#counted.set(served, refused);
  }
}
