import type { Rule } from "../finding.ts";
import { TERMINAL } from "../history.ts";

/** G2: an end is for good, and there is one. */
export const oneOutcome: Rule = {
  name: "recorded twice",
  *check({ changes }) {
    for (const { id, before, after, committed } of changes)
      if (before !== null && TERMINAL.has(before))
        yield [id, `it was ${before}, and was written again as ${after} at ${new Date(committed).toISOString()}`];
  },
};
