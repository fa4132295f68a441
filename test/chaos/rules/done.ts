import type { Rule } from "../finding.ts";

/** A run proves nothing about a fault that was planned and not done, or not felt by those who were to feel it. */
export const done: Rule = {
  name: "fault not done",
  *check({ deeds, undone }) {
    for (const { kind, why } of undone) yield [null, `${kind}: ${why}`];
    for (const { kind, missed } of deeds) if (missed !== null) yield [null, `${kind}: ${missed}`];
  },
};
