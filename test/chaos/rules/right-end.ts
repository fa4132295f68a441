import type { Rule } from "../finding.ts";
import { TERMINAL } from "../history.ts";
import { ENDS, type Kind } from "../load-plan.ts";

/** Deaths of its own process in a row at which an execution may be given up as FAILED. */
const PROCESS_CRASHES = 3;

/** The error code of a failure that its kind has to have. */
const OWN_CODE: Partial<Record<Kind, string>> = { broken: "TaskError", "timed out": "Timeout", deaf: "Timeout" };

/** It ended as its kind has to, whatever died; and as its cancel was answered. */
export const rightEnd: Rule = {
  name: "wrong end",
  *check({ enqueued, rows, cancels, deeds }) {
    const found = new Map(rows.map((row) => [row.id, row]));
    for (const { id, kind, rerunOf } of enqueued) {
      const row = found.get(id);
      if (row !== undefined && row.rerunOf !== rerunOf) yield [id, `it is a rerun of ${row.rerunOf}, not ${rerunOf}`];
      if (row === undefined || !TERMINAL.has(row.state) || row.state === "LOST") continue;
      const kills = deeds.filter(({ executions }) => executions.includes(id)).length;
      if (row.errorCode === "ProcessCrashed" && row.state === "FAILED" && kills >= PROCESS_CRASHES) continue;
      const why = row.errorCode === null ? "" : ` (${row.errorCode}: ${row.errorMessage})`;
      if (!ENDS[kind].includes(row.state))
        yield [id, `${kind}: it is ${row.state}${why}, not ${ENDS[kind].join(" or ")}`];
      else if (row.state === "FAILED" && row.errorCode !== OWN_CODE[kind])
        yield [id, `${kind}: it is FAILED for another reason than its own${why}`];
    }
    for (const { id, state } of cancels) {
      const end = found.get(id)?.state;
      if (state === "CANCELLED" && end !== "CANCELLED")
        yield [id, `its cancel was answered with CANCELLED, and it is ${end}`];
    }
  },
};
