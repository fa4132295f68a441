import { setTimeout as sleep } from "node:timers/promises";
import type { ServerMessageOf, WorkerMessage } from "../../bridge/src/index.ts";
import type { Logger } from "../logger.ts";
import type { Store } from "../store/connection.ts";
import { readStillOwn } from "../store/lease.ts";
import { release } from "../store/release.ts";
import { type RequeuedRow, requeue } from "../store/requeue.ts";
import { reportOf } from "./begun.ts";
import { UNKNOWN_TASK_DELAY } from "./claimer.ts";
import { failure } from "./decide.ts";
import type { HeldAttempt, HeldAttempts } from "./held.ts";
import { inHalves } from "./in-halves.ts";
import { Loop } from "./loop.ts";
import { SetAside } from "./set-aside.ts";

/** Rows a statement. */
const BATCH = 500;
/** The loop is woken by rejections; this is only its heartbeat. */
const IDLE = 60_000;
/** Milliseconds to another look at rows that somebody had locked. */
const LOCKED = 100;

/** What to do with an attempt that a server rejected. */
export type Rejection = "release" | "requeue" | "drop";

/**
 * UNKNOWN_EXECUTION: a server that had it has it no more, which is infrastructure's doing. NOT_HOLDER: it was adopted, and is no business of ours.
 * Everything else never ran, unless it is known to have begun.
 */
export function judgeRejection(code: string, started: boolean): Rejection {
  if (code === "NOT_HOLDER") return "drop";
  return code === "UNKNOWN_EXECUTION" || started ? "requeue" : "release";
}

export interface HandBacksOptions {
  readonly store: Store;
  readonly holder: string;
  readonly held: HeldAttempts;
  readonly logger: Logger;
  /** Slots are free again. */
  readonly onRoom: () => void;
  readonly onError: (error: unknown) => void;
}

interface Rejected {
  readonly attempt: HeldAttempt;
  readonly message: ServerMessageOf<"rejected">;
  readonly rejection: Rejection;
}

type Statement = (rows: readonly Rejected[]) => Promise<RequeuedRow[]>;

/**
 * Gives back what a server won't run, in batches: what is rejected while a statement is under way goes into the next one. It is held until Postgres has
 * it, so that a stop waits for it and nothing is claimed in its place before.
 */
export class HandBacks {
  readonly #options: HandBacksOptions;
  readonly #loop: Loop;
  readonly #aside: SetAside;
  readonly #pending = new Map<HeldAttempt, Rejected>();

  constructor(options: HandBacksOptions) {
    this.#options = options;
    this.#aside = new SetAside("hand back", options.logger);
    this.#loop = new Loop(() => this.runOnce(), options.onError);
  }

  start(): void {
    this.#loop.start();
  }

  stop(): Promise<void> {
    return this.#loop.stop();
  }

  /** The first rejection of an attempt counts: whoever asks again for what is on its way back is told that the server doesn't have it. */
  add(message: ServerMessageOf<"rejected">): void {
    const { held, onRoom } = this.#options;
    const attempt = held.find(message.execution, message.fence);
    if (attempt === null || this.#pending.has(attempt)) return;
    const rejection = judgeRejection(message.code, attempt.started);
    if (rejection === "drop") {
      held.drop(attempt.id, attempt.fence);
      onRoom();
      return;
    }
    this.#pending.set(attempt, { attempt, message, rejection });
    this.#loop.wake();
  }

  /** Resolves when nothing is left to hand back, or after `milliseconds`. */
  async flush(milliseconds: number): Promise<void> {
    const until = performance.now() + milliseconds;
    while (this.#due().length > 0 && performance.now() < until) await sleep(20);
  }

  async runOnce(): Promise<number> {
    const batch = this.#due().slice(0, BATCH);
    if (batch.length === 0) return IDLE;
    const of = (word: Rejection) => batch.filter(({ rejection }) => rejection === word);
    await this.#write(of("release"), (rows) => this.#release(rows));
    await this.#write(of("requeue"), (rows) => this.#requeue(rows));
    this.#aside.tell();
    this.#options.onRoom();
    const left = this.#due();
    if (left.length === 0) return IDLE;
    return left.every((each) => batch.includes(each)) ? LOCKED : 0;
  }

  #due(): Rejected[] {
    return [...this.#pending.values()].filter(({ attempt }) => !this.#aside.has(attempt.id));
  }

  /** Where Postgres refuses a row, the others by themselves. */
  async #write(rows: readonly Rejected[], statement: Statement): Promise<void> {
    const write = async (some: readonly Rejected[]) => this.#settle(some, await statement(some));
    await Promise.all(await inHalves(rows, write, ({ attempt }, error) => this.#aside.add(attempt.id, error)));
  }

  #release(rows: readonly Rejected[]): Promise<RequeuedRow[]> {
    const { store, holder } = this.#options;
    const released = rows.map(({ attempt: { id, fence, leased }, message: { code, message: reason } }) => {
      const unknownTask = code === "UNKNOWN_TASK";
      const delaySeconds = unknownTask ? UNKNOWN_TASK_DELAY : code === "WITHDRAWN" ? 0 : 1;
      return { id, fence, reason, delaySeconds, unknownTask, leased };
    });
    return release(store, holder, released);
  }

  #requeue(rows: readonly Rejected[]): Promise<RequeuedRow[]> {
    const { store, holder } = this.#options;
    const lost = rows.map(({ attempt: { id, fence, leased, begun }, message: { message } }) => {
      return { id, fence, error: failure("ServerLost", "ServerLost", message), run: reportOf(begun), leased };
    });
    return requeue(store, holder, lost);
  }

  /** What wasn't accepted is somebody else's by now, or locked by somebody, and then tried again. */
  async #settle(rows: readonly Rejected[], accepted: readonly { readonly id: string }[]): Promise<void> {
    const { store, holder, held } = this.#options;
    const ids = new Set(accepted.map(({ id }) => id));
    const others = rows.flatMap(({ attempt }) => (ids.has(attempt.id) ? [] : [attempt]));
    const locked = others.length === 0 ? new Set() : await readStillOwn(store, holder, others);
    for (const { attempt } of rows) {
      if (locked.has(attempt.id)) continue;
      this.#pending.delete(attempt);
      held.drop(attempt.id, attempt.fence);
    }
  }
}

/** Asks for everything back that isn't known to have begun; what is being cancelled has its answer coming. */
export function withdrawUnstarted(held: HeldAttempts, send: (message: WorkerMessage) => void): void {
  for (const { id, fence, started, cancelling } of held.all())
    if (!started && !cancelling) send({ type: "withdraw", execution: id, fence });
}
