import type { WorkerMessage } from "../../bridge/src/index.ts";
import type { Logger } from "../logger.ts";
import { type ClaimedExecution, claim, MAX_CLAIM } from "../store/claim.ts";
import type { Store } from "../store/connection.ts";
import { release } from "../store/release.ts";
import type { Claim } from "./claim-journal.ts";
import type { HeldAttempts } from "./held.ts";
import { Loop } from "./loop.ts";
import { FORGOTTEN_AFTER } from "./reconciler.ts";

/** Milliseconds between polls while notifications come; the average of a jittered interval. */
const POLL = 5_000;
/** ... and where they don't. */
const POLL_WITHOUT_LISTEN = 1_000;
/** Milliseconds, on average. */
const LOOK_AGAIN = 50;
/** Milliseconds to another look at a lease that may have run out: the answer to the beat decides. */
const LAPSED = 500;
/** Milliseconds for the answer to a claim: before the reconciler takes its rows for forgotten, and others run them. */
const ANSWER = (FORGOTTEN_AFTER - 2) * 1_000;
/** Seconds before an execution whose task this worker doesn't know may be claimed again. */
export const UNKNOWN_TASK_DELAY = 5;

export interface ClaimerOptions {
  readonly store: Store;
  /** Default: as it is, without a journal. */
  readonly claim?: Claim;
  readonly send: (message: WorkerMessage) => void;
  /** False while the server wants no more. */
  readonly accepting: () => boolean;
  /** The lease holds. */
  readonly mayAct: () => boolean;
  readonly held: HeldAttempts;
  readonly holder: string;
  readonly server: string;
  readonly worker: string;
  readonly queues: readonly string[];
  readonly slots: number;
  /** Names of the tasks that the server can run. */
  readonly tasks: ReadonlySet<string>;
  /** Seconds from a timeout's interrupt to its kill. */
  readonly graceSeconds: number;
  readonly logger: Logger;
  readonly onError: (error: unknown) => void;
}

/** Fills free slots from the queues and ships what it claimed over the bridge. */
export class Claimer {
  readonly #options: ClaimerOptions;
  /** Tasks that were claimed though they aren't known here. */
  readonly #unknown = new Set<string>();
  readonly #loop: Loop;
  #lookedAgain = false;

  constructor(options: ClaimerOptions) {
    this.#options = options;
    this.#loop = new Loop(() => this.runOnce(), options.onError);
  }

  start(): void {
    this.#loop.start();
  }

  /** There may be something to claim, or room for it. */
  wake(): void {
    this.#loop.wake();
  }

  stop(): Promise<void> {
    return this.#loop.stop();
  }

  async runOnce(): Promise<number> {
    const { store, held, holder, server, worker, queues, slots, send, tasks, graceSeconds } = this.#options;
    const limit = Math.min(slots - held.size, MAX_CLAIM);
    if (limit <= 0 || !this.#options.accepting()) return this.#pollInterval();
    if (!this.#options.mayAct()) return LAPSED;
    const asked = performance.now();
    const claimed = await (this.#options.claim ?? claim)(store, { holder, server, worker, queues, limit });
    // The event loop may have stood still for longer than the lease since Postgres answered: others sweep up what it gave us.
    if (!this.#options.mayAct()) return LAPSED;
    if (performance.now() - asked > ANSWER) {
      await this.#releaseLate(claimed);
      return 0;
    }
    const unknown = claimed.filter((each) => !tasks.has(each.task));
    for (const each of claimed) {
      if (!tasks.has(each.task)) continue;
      held.add(each.id, each.fence, each.task, each.terms);
      send({
        type: "submit",
        execution: each.id,
        fence: each.fence,
        attempt: each.attempt,
        task: each.task,
        content_type: each.contentType,
        input: each.input,
        timeout_seconds: each.terms.timeoutSeconds,
        timeout_grace_seconds: graceSeconds,
        options: {},
      });
    }
    if (unknown.length > 0) await this.#releaseUnknown(unknown);
    if (claimed.length === limit) return held.size < slots ? 0 : this.#pollInterval();
    // A neighbour that claims from the same queues holds rows of each locked for a moment, more than it takes.
    const lookAgain = queues.length > 1 && !this.#lookedAgain;
    this.#lookedAgain = lookAgain;
    return lookAgain ? LOOK_AGAIN * (0.5 + Math.random()) : this.#pollInterval();
  }

  /** Somebody may have them already: they aren't submitted, and go back if they still are ours. */
  async #releaseLate(claimed: readonly ClaimedExecution[]): Promise<void> {
    const { store, holder, logger } = this.#options;
    const reason = "Its worker had the answer to the claim too late.";
    const released = claimed.map(({ id, fence }) => ({ id, fence, reason, delaySeconds: 0, unknownTask: false }));
    const rows = await release(store, holder, released);
    logger.warn({ executions: rows.length }, "handed back executions whose claim was answered too late");
  }

  async #releaseUnknown(
    unknown: readonly { readonly id: string; readonly fence: number; readonly task: string }[],
  ): Promise<void> {
    const { store, holder, worker, logger } = this.#options;
    const released = unknown.map(({ id, fence, task }) => ({
      id,
      fence,
      reason: `Worker ${worker} doesn't know the task ${JSON.stringify(task)}.`,
      delaySeconds: UNKNOWN_TASK_DELAY,
      unknownTask: true,
    }));
    const rows = await release(store, holder, released);
    const tasks = [...new Set(unknown.map((each) => each.task))];
    const isNews = tasks.some((task) => !this.#unknown.has(task));
    for (const task of tasks) this.#unknown.add(task);
    // Once a task: until somebody registers it, this goes on every few seconds.
    logger[isNews ? "warn" : "debug"](
      { tasks, released: rows.length },
      "handed back executions of tasks this worker doesn't know: start a worker with their modules, or give them a queue of their own",
    );
  }

  #pollInterval(): number {
    const poll = this.#options.store.listener?.works === true ? POLL : POLL_WITHOUT_LISTEN;
    return poll * (0.75 + Math.random() / 2);
  }
}
