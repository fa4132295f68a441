import type { Rule } from "../finding.ts";

/** Milliseconds: `finished_at` is told in ages, across three processes. */
const TOLERANCE = 250;

/** G5: CANCELLED only when nothing of it goes on. */
export const cancelled: Rule = {
  name: "cancelled and going on",
  *check({ rows, lives }) {
    const byExecution = Map.groupBy(lives, ({ id }) => id);
    for (const { id, state, finishedAt } of rows) {
      if (state !== "CANCELLED" && state !== "EXPIRED") continue;
      const last = Math.max(...(byExecution.get(id) ?? []).map((life) => life.last));
      if (finishedAt !== null && last > finishedAt + TOLERANCE)
        yield [id, `it is ${state}, and a body gave a sign of life ${Math.round(last - finishedAt)} ms later`];
    }
  },
};
