import type { Rule } from "../finding.ts";
import { TERMINAL } from "../history.ts";

/** G1: what was committed is there, and has ended. */
export const ended: Rule = {
  name: "lost",
  *check({ enqueued, rows }) {
    const found = new Map(rows.map((row) => [row.id, row]));
    for (const { id, kind, committedAt } of enqueued) {
      const row = found.get(id);
      if (row === undefined && committedAt !== null)
        yield [id, `${kind}: its enqueue was answered, and it isn't there`];
    }
    const kinds = new Map(enqueued.map(({ id, kind }) => [id, kind]));
    for (const { id, state } of rows)
      if (!TERMINAL.has(state)) yield [id, `${kinds.get(id) ?? "nobody's"}: it is still ${state} at the end`];
  },
};
