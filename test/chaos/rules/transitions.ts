import type { Rule } from "../finding.ts";
import { TERMINAL } from "../history.ts";

/** What follows each state, as design.md draws it. A state that follows itself: promoted, adopted, handed on. What follows an end is a rule of its own. */
const FOLLOWS: Readonly<Record<string, readonly string[]>> = {
  "": ["QUEUED"],
  QUEUED: ["QUEUED", "RUNNING", "CANCELLED", "EXPIRED"],
  RUNNING: ["RUNNING", "QUEUED", "CANCELLING", "SUCCEEDED", "FAILED", "EXPIRED", "LOST"],
  CANCELLING: ["CANCELLING", "CANCELLED", "SUCCEEDED", "FAILED"],
};

/** Each change is one that the state machine has, and begins where the one before it ended. */
export const transitions: Rule = {
  name: "state machine",
  *check({ changes }) {
    const states = new Map<string, string>();
    for (const { id, before, after } of changes) {
      const known = states.get(id) ?? null;
      if (known !== null && before !== known) yield [id, `it was ${known}, and then changed from ${before}`];
      states.set(id, after);
      if (before !== null && TERMINAL.has(before)) continue;
      if (!(FOLLOWS[before ?? ""] ?? []).includes(after)) yield [id, `it went from ${before ?? "nothing"} to ${after}`];
    }
  },
};
