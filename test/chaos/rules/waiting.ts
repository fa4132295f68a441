/** Rows that could have been claimed, and from when to when. */
import type { Change, History } from "../history.ts";

/**
 * Milliseconds by which a row must have been there before a claim began, and stay after it ended: a commit is seen by others, and lets go of its locks, only some
 * time after the instant that Postgres writes down for it.
 */
export const MARGIN = 250;

export interface Span {
  readonly from: number;
  readonly to: number;
}

export interface Place {
  readonly priority: number;
  readonly runAt: number;
  readonly seq: number;
}

export interface Waiting extends Place, Span {
  readonly id: string;
  readonly queue: string;
  /** The commit of what ended it; `to` is its begin, for it had the row locked from then on. */
  readonly gone: number;
  /** What is overdue isn't claimed, and when it will be swept up is another's business: it needn't be taken, and may be gone. */
  readonly hasDeadline: boolean;
}

/** Higher priority first, then (run_at, seq). */
export function isBefore(a: Place, b: Place): boolean {
  if (a.priority !== b.priority) return a.priority > b.priority;
  if (a.runAt !== b.runAt) return a.runAt < b.runAt;
  return a.seq < b.seq;
}

export function overlaps(a: Span, b: Span): boolean {
  return a.from <= b.to && a.to >= b.from;
}

export function widened({ from, to }: Span): Span {
  return { from: from - MARGIN, to: to + MARGIN };
}

/** Of every row. */
export function waitsOf({ changes, enqueued }: History): Waiting[] {
  const hasty = new Set(enqueued.filter(({ queueTimeout }) => queueTimeout !== null).map(({ id }) => id));
  return [...Map.groupBy(changes, ({ id }) => id)].flatMap(([id, own]) => waitsOfOne(own, hasty.has(id)));
}

function waitsOfOne(changes: readonly Change[], hasDeadline: boolean): Waiting[] {
  return changes.flatMap((change, index) => {
    if (change.after !== "QUEUED" || !change.ready) return [];
    const next = changes[index + 1];
    const { id, queue, priority, runAt, seq, committed } = change;
    const [to, gone] = [next?.begun ?? Number.POSITIVE_INFINITY, next?.committed ?? Number.POSITIVE_INFINITY];
    return [{ id, queue, priority, runAt, seq, from: committed, to, gone, hasDeadline }];
  });
}
