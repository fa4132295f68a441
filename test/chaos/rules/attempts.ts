import type { Rule } from "../finding.ts";
import type { Change, FinalAttempt, FinalRow, History } from "../history.ts";
import { TERMINAL } from "../history.ts";

/** Those of the task's own. The others end an attempt without using it up: a loss, a release, a hand-back, a snooze. */
const COUNTS: ReadonlySet<string> = new Set(["SUCCEEDED", "FAILED", "TIMED_OUT"]);
/** INFRASTRUCTURE_BUDGET, written down a second time: a checker doesn't ask what it checks. */
const BUDGET = 10;

/** The task's own attempts, and what infrastructure took: each within its budget, each on record, and each counted once. */
export const attempts: Rule = {
  name: "attempts",
  *check(history) {
    const byExecution = Map.groupBy(history.attempts, ({ id }) => id);
    const changes = Map.groupBy(history.changes, ({ id }) => id);
    for (const row of history.rows) {
      const own = byExecution.get(row.id) ?? [];
      for (const message of countsOf(row, own, sinceRetry(changes.get(row.id) ?? []))) yield [row.id, message];
      if (new Set(own.map(({ fence }) => fence)).size !== own.length) yield [row.id, "a fence is on record twice"];
    }
    yield* begun(history, byExecution);
  },
};

function* countsOf(
  row: FinalRow,
  own: readonly FinalAttempt[],
  isRecent: (fence: number) => boolean,
): Generator<string> {
  const used = own.filter(({ outcome }) => COUNTS.has(outcome)).length;
  const lost = own.filter(({ outcome, fence }) => outcome === "LOST" && isRecent(fence)).length;
  if (row.attempt > row.maxAttempts) yield `${row.attempt} attempts of ${row.maxAttempts} allowed`;
  if (!TERMINAL.has(row.state)) return;
  // What a cancel, or the last loss of all, ended while it ran was an attempt too, though not one that is held against the task.
  const ended =
    row.state === "CANCELLED" || row.state === "LOST"
      ? own.filter(({ outcome, fence }) => outcome === row.state && fence === row.lastFence).length
      : 0;
  if (used + ended !== row.attempt)
    yield `${used + ended} attempts on record that count, and its row says ${row.attempt}`;
  // The loss that ended it as something else is on record as that.
  const atLeast = row.errorCode === "ProcessCrashed" && row.state === "FAILED" ? lost + 1 : lost;
  const atMost = row.state === "CANCELLED" ? lost + 1 : atLeast;
  if (row.infrastructureLosses < atLeast || row.infrastructureLosses > atMost)
    yield `${lost} attempts on record as LOST, and its row says ${row.infrastructureLosses}`;
  if (row.state === "LOST" && row.infrastructureLosses <= BUDGET)
    yield `it is LOST after ${row.infrastructureLosses} losses to infrastructure, of ${BUDGET} allowed`;
}

/** A retry by hand forgets the losses before it. */
function sinceRetry(changes: readonly Change[]): (fence: number) => boolean {
  const retried = changes.findLastIndex(({ before }) => before !== null && TERMINAL.has(before));
  if (retried < 0) return () => true;
  const fences = new Set(changes.slice(retried).map(({ fence }) => fence));
  return (fence) => fences.has(fence);
}

/** A body that began was no hand-back: its attempt is on record. */
function* begun(
  { lives, rows }: History,
  byExecution: ReadonlyMap<string, readonly FinalAttempt[]>,
): Generator<readonly [string, string]> {
  const known = new Set(rows.map(({ id }) => id));
  for (const { id, fence } of lives)
    if (known.has(id) && !(byExecution.get(id) ?? []).some((each) => each.fence === fence))
      yield [id, `a body began with the fence ${fence}, of which there is no attempt on record`];
}
