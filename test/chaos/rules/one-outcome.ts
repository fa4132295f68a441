import type { Rule } from "../finding.ts";
import { TERMINAL } from "../history.ts";

/** G2: an end is for good, and there is one. Only a retry by hand takes it back, once for each time that it was asked for; never a success. */
export const oneOutcome: Rule = {
  name: "recorded twice",
  *check({ changes, retries }) {
    const left = new Map([...Map.groupBy(retries, ({ id }) => id)].map(([id, asked]) => [id, asked.length]));
    for (const { id, before, after, committed } of changes) {
      if (before === null || !TERMINAL.has(before)) continue;
      const retriesLeft = left.get(id) ?? 0;
      left.set(id, retriesLeft - 1);
      if (after !== "QUEUED" || before === "SUCCEEDED" || retriesLeft <= 0)
        yield [id, `it was ${before}, and was written again as ${after} at ${new Date(committed).toISOString()}`];
    }
  },
};
