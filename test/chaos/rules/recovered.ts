import type { Rule } from "../finding.ts";
import { recoveries } from "../recovery.ts";

/** G6: after each kill the work of what was killed goes on. */
export const recovered: Rule = {
  name: "never recovered",
  *check(history) {
    for (const { deed, seconds } of recoveries(history))
      if (seconds === null) yield [null, `${deed.kind} (${deed.what}) at ${new Date(deed.at).toISOString()}`];
  },
};
