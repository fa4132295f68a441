import type { Rule } from "../finding.ts";
import { MARGIN } from "./waiting.ts";

/** What was queued before a cancel by filter began isn't queued still when that is answered. */
export const bulkCancel: Rule = {
  name: "left by a cancel by filter",
  *check({ enqueued, bulkCancels, changes }) {
    const byExecution = Map.groupBy(changes, ({ id }) => id);
    const byTag = Map.groupBy(enqueued, ({ tag }) => tag);
    for (const { tag, at, until } of bulkCancels) {
      if (until === null) continue;
      for (const { id } of byTag.get(tag) ?? []) {
        const own = byExecution.get(id) ?? [];
        const before = own.findLastIndex(({ committed }) => committed < at - MARGIN);
        const next = own[before + 1]?.begun ?? Number.POSITIVE_INFINITY;
        if (own[before]?.after === "QUEUED" && next > until + MARGIN)
          yield [id, `it was QUEUED before "${tag}" was cancelled at ${new Date(at).toISOString()}, and after`];
      }
    }
  },
};
