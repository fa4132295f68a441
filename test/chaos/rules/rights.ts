/** When a worker may claim, and from which queues: what the claim's statement asks of leases, servers and pauses. */
import type { Claim, History, LeaseNote, PauseNote } from "../history.ts";
import { MARGIN, overlaps, type Span, widened } from "./waiting.ts";

interface Pause extends Span {
  /** From then on everybody sees it. */
  readonly surely: number;
  /** From then on somebody may not. */
  readonly resuming: number;
}

/** Rights as the run's own notes of the tables have them. */
export class Rights {
  readonly #leases: ReadonlyMap<string, readonly LeaseNote[]>;
  readonly #ended: ReadonlyMap<string, number>;
  readonly #pauses: ReadonlyMap<string, readonly Pause[]>;

  constructor({ leases, serverEnds, pauses }: History) {
    this.#leases = Map.groupBy(leases, ({ id }) => id);
    this.#ended = new Map(serverEnds.map(({ id, begun }) => [id, begun]));
    const byQueue = Map.groupBy(pauses, ({ queue }) => queue);
    this.#pauses = new Map([...byQueue].map(([queue, own]) => [queue, pausesOf(own)]));
  }

  /** Whether it certainly had the right, all the time. */
  hadRight(claim: Claim, during: Span): boolean {
    const { from, to } = widened(during);
    const notes = this.#leases.get(claim.holder) ?? [];
    const before = notes.findLast(({ committed }) => committed < from);
    if (before?.state !== "READY" || before.expiresAt <= to || before.server === null) return false;
    if ((this.#ended.get(before.server) ?? Number.POSITIVE_INFINITY) <= to) return false;
    return notes.every(({ state, begun, committed }) => state === "READY" || committed < from || begun > to);
  }

  /** Whether the queue was certainly open all the time. */
  wasOpen(queue: string, during: Span): boolean {
    return !(this.#pauses.get(queue) ?? []).some((pause) => overlaps(pause, widened(during)));
  }

  /** Whether it was certainly paused all the time. */
  wasPaused(queue: string, { from, to }: Span): boolean {
    return (this.#pauses.get(queue) ?? []).some((pause) => pause.surely < from && pause.resuming > to);
  }
}

function pausesOf(notes: readonly PauseNote[]): Pause[] {
  return notes.flatMap(({ isPaused, begun, committed }, index) => {
    if (!isPaused || notes[index - 1]?.isPaused === true) return [];
    const resumed = notes.slice(index).find((each) => !each.isPaused);
    const [resuming, to] = [resumed?.begun ?? Number.POSITIVE_INFINITY, resumed?.committed ?? Number.POSITIVE_INFINITY];
    return [{ from: begun, surely: committed + MARGIN, resuming, to }];
  });
}
