import type { Rule } from "../finding.ts";

/** Nothing is left when all has ended. */
export const leaks: Rule = {
  name: "left behind",
  *check({ leftovers }) {
    for (const [what, lines] of Object.entries(leftovers)) for (const line of lines) yield [null, `${what}: ${line}`];
  },
};
