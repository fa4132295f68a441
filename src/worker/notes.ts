import type { ServerMessageOf } from "../../bridge/src/index.ts";
import type { AttemptPhase, Progress } from "../attempt.ts";
import type { Logger } from "../logger.ts";
import type { Store } from "../store/connection.ts";
import { type NotedAttempt, noteAttempts } from "../store/execution-lease.ts";
import { type Begun, secondsSince } from "./begun.ts";
import type { HeldAttempt, HeldAttempts } from "./held.ts";
import { inHalves } from "./in-halves.ts";
import { SetAside } from "./set-aside.ts";

/** Milliseconds for which an attempt is held before it is worth a lease row: a beat. Most have ended by then. */
const WORTH_A_ROW = 2_000;
/** Milliseconds that it has run before its start is worth an update of the execution, unless it ends a deadline. */
const WORTH_A_START = 1_000;
/** Rows a statement. */
const BATCH = 500;

type Started = ServerMessageOf<"started">;

/** What is known of an attempt. Objects are replaced, never changed: two notes are equal if they have the same ones. */
interface Note {
  readonly phase: AttemptPhase;
  readonly place: Begun | null;
  readonly progress: Progress | null;
}

const NOTHING: Note = { phase: "SUBMITTED", place: null, progress: null };

/** Tells Postgres of what goes on for more than a moment: phase, place and progress, when they have changed. */
export class Notes {
  readonly #held: HeldAttempts;
  readonly #aside: SetAside;
  readonly #known = new WeakMap<HeldAttempt, Note>();
  readonly #leased = new WeakMap<HeldAttempt, Note>();
  readonly #startNoted = new WeakSet<HeldAttempt>();

  constructor(held: HeldAttempts, logger: Logger) {
    this.#held = held;
    this.#aside = new SetAside("note", logger);
  }

  started(message: Started): void {
    const attempt = this.#held.find(message.execution, message.fence);
    if (attempt === null) return;
    attempt.phase = "RUNNING";
    attempt.begun = { run: message.run, receivedAt: performance.now() };
    this.#learn(attempt, { place: attempt.begun });
  }

  progress({ execution, fence, current, total, message }: ServerMessageOf<"progress">): void {
    const attempt = this.#held.find(execution, fence);
    if (attempt !== null) this.#learn(attempt, { progress: { current, total, message } });
  }

  /** With every beat. What it can't write now is written with the next one. */
  async write(store: Store, holder: string): Promise<void> {
    const due = this.#held.all().filter((attempt) => this.#isDue(attempt));
    for (let at = 0; at < due.length; at += BATCH) {
      const write = (batch: readonly HeldAttempt[]) => this.#write(store, holder, batch);
      await inHalves(due.slice(at, at + BATCH), write, ({ id }, error) => this.#aside.add(id, error));
    }
    this.#aside.tell();
  }

  async #write(store: Store, holder: string, batch: readonly HeldAttempt[]): Promise<void> {
    const now = performance.now();
    const noted = batch.map((attempt) => ({ attempt, note: this.#noteOf(attempt), leases: isWorthARow(attempt, now) }));
    // Before the statement is sent: one that ends it meanwhile is to look for the row.
    for (const { attempt, leases } of noted) if (leases) attempt.leased = true;
    await noteAttempts(
      store,
      holder,
      noted.map(({ attempt, note, leases }) => toNoted(attempt, note, leases, now)),
    );
    for (const { attempt, note, leases } of noted) {
      if (leases) this.#leased.set(attempt, note);
      if (note.place !== null) this.#startNoted.add(attempt);
    }
  }

  #isDue(attempt: HeldAttempt): boolean {
    const now = performance.now();
    if (this.#aside.has(attempt.id)) return false;
    const note = this.#noteOf(attempt);
    const isNews = !isEqual(note, this.#leased.get(attempt) ?? null);
    if (isWorthARow(attempt, now) && isNews) return true;
    const worth = attempt.terms.expiresInSeconds === null ? WORTH_A_START : 0;
    return note.place !== null && now - note.place.receivedAt >= worth && !this.#startNoted.has(attempt);
  }

  #noteOf(attempt: HeldAttempt): Note {
    return { ...(this.#known.get(attempt) ?? NOTHING), phase: attempt.phase };
  }

  #learn(attempt: HeldAttempt, news: Partial<Note>): void {
    this.#known.set(attempt, { ...(this.#known.get(attempt) ?? NOTHING), ...news });
  }
}

function isWorthARow(attempt: HeldAttempt, now: number): boolean {
  return now - attempt.heldSince >= WORTH_A_ROW;
}

function isEqual(note: Note, other: Note | null): boolean {
  return note.phase === other?.phase && note.place === other.place && note.progress === other.progress;
}

function toNoted({ id, fence }: HeldAttempt, note: Note, isLeased: boolean, now: number): NotedAttempt {
  const { phase, place, progress } = note;
  if (place === null) return { id, fence, phase, isLeased, place: null, progress };
  const ageSeconds = secondsSince(place, now);
  const { ray_task_id: rayTaskId, node_id: nodeId, worker_id: workerId, pid } = place.run;
  return { id, fence, phase, isLeased, place: { rayTaskId, nodeId, workerId, pid, ageSeconds }, progress };
}
