import type { Rule } from "../finding.ts";

/** Of a lost attempt. The others that end one without using it up: a release, a hand-back, a snooze. */
const COUNTS: ReadonlySet<string> = new Set(["SUCCEEDED", "FAILED", "TIMED_OUT"]);
/** INFRASTRUCTURE_BUDGET, written down a second time: a checker doesn't ask what it checks. */
const BUDGET = 10;

/** The task's own attempts, and what infrastructure took, each within its budget and each on record. */
export const attempts: Rule = {
  name: "attempts",
  *check(history) {
    const byExecution = Map.groupBy(history.attempts, ({ id }) => id);
    for (const row of history.rows) {
      const own = byExecution.get(row.id) ?? [];
      const used = own.filter(({ outcome }) => COUNTS.has(outcome)).length;
      const lost = own.filter(({ outcome }) => outcome === "LOST").length;
      if (row.attempt > row.maxAttempts) yield [row.id, `${row.attempt} attempts of ${row.maxAttempts} allowed`];
      if (used > row.maxAttempts)
        yield [row.id, `${used} attempts on record that count, of ${row.maxAttempts} allowed`];
      if (used > row.attempt) yield [row.id, `${used} attempts on record that count, and its row says ${row.attempt}`];
      // The loss that ended it as something else is on record as that.
      const last = row.state === "CANCELLED" || row.errorCode === "ProcessCrashed" ? 1 : 0;
      if (row.infrastructureLosses < lost || row.infrastructureLosses > lost + last)
        yield [row.id, `${lost} attempts on record as LOST, and its row says ${row.infrastructureLosses}`];
      if (row.state === "LOST" && row.infrastructureLosses <= BUDGET)
        yield [row.id, `it is LOST after ${row.infrastructureLosses} losses to infrastructure, of ${BUDGET} allowed`];
      if (new Set(own.map(({ fence }) => fence)).size !== own.length) yield [row.id, "a fence is on record twice"];
    }
  },
};
