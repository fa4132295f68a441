import type { Rule } from "../finding.ts";
import { Rights } from "./rights.ts";

/** Nothing is claimed from a queue while it is paused. */
export const paused: Rule = {
  name: "claimed from a paused queue",
  *check(history) {
    const rights = new Rights(history);
    for (const { begin, end, rows } of history.claims)
      for (const { id, queue } of rows)
        if (rights.wasPaused(queue, { from: begin / 1_000, to: end / 1_000 }))
          yield [id, `by the claim at ${new Date(begin / 1_000).toISOString()}, from "${queue}"`];
  },
};
