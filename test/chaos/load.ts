import { setTimeout as delay } from "node:timers/promises";
import { uuidv7 } from "uuidv7";
import { type EnqueueOptions, ExecutionStateError, RayTaskBackend, type TaskState } from "../../src/index.ts";
import { type Ask, type BulkCancel, type CancelAsked, type Enqueued, TERMINAL } from "./history.ts";
import { type Kind, type PlannedExecution, type PlannedPause, planOneMore } from "./load-plan.ts";

/** Milliseconds without an answer after which a client asks again. */
const PATIENCE = 8_000;
/** ... and between two tries. */
const AGAIN = 300;

/** Seconds. */
const RETRY_BACKOFF = 0.5;

/** Beyond the numbers of any plan. */
const EXTRA = 1_000_000;

/** Milliseconds between two looks whether one has ended. */
const LOOK_EVERY = 1_000;

type Growing<Entry> = { -readonly [Key in keyof Entry]: Entry[Key] };

/** Enqueues a plan, and remembers what was answered: the client's side of the story. */
export class Load {
  readonly enqueued: Growing<Enqueued>[] = [];
  readonly cancels: CancelAsked[] = [];
  readonly retries: Growing<Ask>[] = [];
  readonly bulkCancels: Growing<BulkCancel>[] = [];
  readonly #backend: RayTaskBackend;
  /** Past the network of the client: an order to pause that came late, after the one to resume, would be for good. */
  readonly #direct: RayTaskBackend;
  readonly #journal: string;
  readonly #playing: Promise<void>[] = [];
  #isStopped = false;
  /** What isn't done yet: enqueues, and what the client does afterwards. */
  #pending = 0;

  constructor(databaseUrl: string, directUrl: string, journal: string) {
    this.#backend = new RayTaskBackend({ databaseUrl });
    this.#direct = new RayTaskBackend({ databaseUrl: directUrl });
    this.#journal = journal;
  }

  /** Resolves when everything is under way; see `pending`. */
  async play(plan: readonly PlannedExecution[], pauses: readonly PlannedPause[]): Promise<void> {
    const start = performance.now();
    for (const pause of pauses) this.#begin(this.#pause(pause));
    for (const planned of plan) {
      const wait = planned.at * 1_000 - (performance.now() - start);
      if (wait > 1) await delay(wait);
      if (this.#isStopped) return;
      // No one waits for another's answer.
      this.#begin(this.#one(planned));
    }
  }

  /** What isn't answered yet, and what is to follow when something has ended. */
  get pending(): number {
    return this.#pending;
  }

  /** So many more, now. */
  add(count: number, kind: Kind = "plain"): void {
    for (let n = 0; n < count; n += 1) this.#begin(this.#one(planOneMore(EXTRA + this.enqueued.length, kind)));
  }

  /** Gives up on what hasn't been answered. */
  async close(): Promise<void> {
    this.#isStopped = true;
    await Promise.all([this.#backend.close(), this.#direct.close()]);
    await Promise.allSettled(this.#playing);
  }

  #begin(work: Promise<void>): void {
    this.#pending += 1;
    this.#playing.push(
      work.finally(() => {
        this.#pending -= 1;
      }),
    );
  }

  async #one(planned: PlannedExecution): Promise<void> {
    const entry: Growing<Enqueued> = { ...planned, id: uuidv7(), sentAt: Date.now(), committedAt: null, rerunOf: null };
    this.enqueued.push(entry);
    const { number, seconds, fails, snooze, deaf } = planned;
    const input = { path: this.#journal, name: String(number), seconds, fails, snooze, deaf };
    const options = optionsOf(entry);
    // With the same id: whether an answer was lost or a statement, it is there once.
    await this.#insist(() => this.#backend.enqueue("chaos.body", input, options));
    if (this.#isStopped) return;
    entry.committedAt = Date.now();
    const { cancelAfter, tag, byHand } = planned;
    if (cancelAfter !== null && tag !== null) await this.#cancelGroup(tag, cancelAfter);
    else if (cancelAfter !== null) await this.#cancel(entry.id, cancelAfter);
    if (byHand === "retry" && (await this.#end(entry.id)) === "FAILED") await this.#retry(entry.id);
    if (byHand === "rerun" && (await this.#end(entry.id)) === "SUCCEEDED") await this.#rerun(planned, entry.id);
  }

  /** The state that it ends in; null: nobody could be asked any more. */
  async #end(id: string): Promise<TaskState | null> {
    while (!this.#isStopped) {
      const state = (await this.#insist(() => this.#backend.get(id)))?.state ?? null;
      if (state === null || TERMINAL.has(state)) return state;
      await delay(LOOK_EVERY);
    }
    return null;
  }

  async #retry(id: string): Promise<void> {
    await this.#insist(async () => {
      const ask: Growing<Ask> = { id, at: Date.now(), until: null };
      this.retries.push(ask);
      const answer = await this.#backend.retry(id).catch((error: unknown) => {
        // The answer to an earlier try was lost.
        if (error instanceof ExecutionStateError) return error;
        throw error;
      });
      ask.until = Date.now();
      return answer;
    });
  }

  async #rerun(planned: PlannedExecution, of: string): Promise<void> {
    const common = { id: uuidv7(), sentAt: Date.now(), committedAt: null, rerunOf: of };
    const entry: Growing<Enqueued> = { ...planned, ...common, kind: "plain" };
    this.enqueued.push(entry);
    await this.#insist(() => this.#backend.rerun(of, { id: entry.id }));
    if (!this.#isStopped) entry.committedAt = Date.now();
  }

  async #cancelGroup(tag: string, after: number): Promise<void> {
    await delay(after * 1_000);
    const asked: Growing<BulkCancel> = { tag, at: Date.now(), until: null };
    this.bulkCancels.push(asked);
    await this.#insist(() => this.#backend.cancelMany({ tag }, { reason: "chaos" }));
    if (!this.#isStopped) asked.until = Date.now();
  }

  /** Each is asked for until it is answered, one try after the other. */
  async #pause({ at, seconds, queue }: PlannedPause): Promise<void> {
    const done = async (ask: () => Promise<unknown>) => {
      while (!this.#isStopped) {
        const isDone = await ask().then(
          () => true,
          () => false,
        );
        if (isDone) return;
        await delay(AGAIN);
      }
    };
    await delay(at * 1_000);
    await done(() => this.#direct.pauseQueue(queue, { reason: "chaos" }));
    await delay(seconds * 1_000);
    await done(() => this.#direct.resumeQueue(queue));
  }

  async #cancel(id: string, after: number): Promise<void> {
    await delay(after * 1_000);
    const at = Date.now();
    const answer = await this.#insist(() => this.#backend.cancel(id, { reason: "chaos" }));
    this.cancels.push({ id, at, state: answer?.state ?? null });
  }

  async #insist<Answer>(ask: () => Promise<Answer>): Promise<Answer | null> {
    while (!this.#isStopped) {
      const asked = ask();
      asked.catch(() => {});
      const silence = delay(PATIENCE, null, { ref: false });
      const answer = await Promise.race([asked, silence]).catch(() => null);
      if (answer !== null) return answer;
      await delay(AGAIN);
    }
    return null;
  }
}

function optionsOf({
  id,
  queue,
  priority,
  delay: later,
  maxAttempts,
  timeout,
  queueTimeout,
  tag,
}: Enqueued): EnqueueOptions {
  return {
    id,
    queue,
    priority,
    maxAttempts,
    retry: { backoff: RETRY_BACKOFF },
    tags: tag === null ? [] : [tag],
    ...(later > 0 ? { runAt: new Date(Date.now() + later * 1_000) } : {}),
    ...(timeout === null ? {} : { timeout }),
    ...(queueTimeout === null ? {} : { queueTimeout }),
  };
}
