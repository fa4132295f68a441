import { setTimeout as delay } from "node:timers/promises";
import { uuidv7 } from "uuidv7";
import { type EnqueueOptions, RayTaskBackend } from "../../src/index.ts";
import type { Ask, CancelAsked, Enqueued } from "./history.ts";
import { type PlannedExecution, plainOne } from "./load-plan.ts";

/** Milliseconds without an answer after which a client asks again. */
const PATIENCE = 8_000;
/** ... and between two tries. */
const AGAIN = 300;

/** Seconds. */
const RETRY_BACKOFF = 0.5;

/** Beyond the numbers of any plan. */
const EXTRA = 1_000_000;

type Growing = { -readonly [Key in keyof Enqueued]: Enqueued[Key] };

/** Enqueues a plan, and remembers what was answered: the client's side of the story. */
export class Load {
  readonly enqueued: Growing[] = [];
  readonly cancels: CancelAsked[] = [];
  readonly asks: Ask[] = [];
  readonly #backend: RayTaskBackend;
  readonly #journal: string;
  readonly #playing: Promise<void>[] = [];
  #isStopped = false;

  constructor(databaseUrl: string, journal: string) {
    this.#backend = new RayTaskBackend({ databaseUrl });
    this.#journal = journal;
  }

  /** Resolves when everything is enqueued, however long that takes. */
  async play(plan: readonly PlannedExecution[]): Promise<void> {
    const start = performance.now();
    for (const planned of plan) {
      const wait = planned.at * 1_000 - (performance.now() - start);
      if (wait > 1) await delay(wait);
      // No one waits for another's answer.
      this.#playing.push(this.#one(planned));
    }
    await this.settle();
  }

  /** Resolves when everything so far is answered. */
  async settle(): Promise<void> {
    await Promise.all(this.#playing);
  }

  /** So many plain ones more, now. */
  add(count: number): void {
    for (let n = 0; n < count; n += 1) this.#playing.push(this.#one(plainOne(EXTRA + this.enqueued.length)));
  }

  /** Gives up on what hasn't been answered. */
  async close(): Promise<void> {
    this.#isStopped = true;
    await this.#backend.close();
    await Promise.allSettled(this.#playing);
  }

  async #one(planned: PlannedExecution): Promise<void> {
    const entry: Growing = { ...planned, id: uuidv7(), sentAt: Date.now(), committedAt: null };
    this.enqueued.push(entry);
    const { number, seconds, fails, snooze } = planned;
    const input = { path: this.#journal, name: String(number), seconds, fails, snooze };
    const options = optionsOf(entry);
    // With the same id: whether an answer was lost or a statement, it is there once.
    await this.#insist(() => this.#backend.enqueue("chaos.body", input, options));
    if (this.#isStopped) return;
    entry.committedAt = Date.now();
    if (planned.cancelAfter !== null) await this.#cancel(entry.id, planned.cancelAfter);
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
}: Enqueued): EnqueueOptions {
  return {
    id,
    queue,
    priority,
    maxAttempts,
    retry: { backoff: RETRY_BACKOFF },
    ...(later > 0 ? { runAt: new Date(Date.now() + later * 1_000) } : {}),
    ...(timeout === null ? {} : { timeout }),
    ...(queueTimeout === null ? {} : { queueTimeout }),
  };
}
