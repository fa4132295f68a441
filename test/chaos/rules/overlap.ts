import type { Rule } from "../finding.ts";
import type { Life } from "../history.ts";

/** G4: no two bodies of one execution at the same time. */
export const overlap: Rule = {
  name: "overlap",
  *check({ lives }) {
    const byExecution = Map.groupBy(lives, ({ id }) => id);
    for (const [id, own] of byExecution) {
      const sorted = [...own].sort((a, b) => a.begin - b.begin);
      let longest: Life | undefined;
      for (const life of sorted) {
        if (longest !== undefined && life.begin < longest.last)
          yield [
            id,
            `a body of fence ${life.fence} began ${Math.round(longest.last - life.begin)} ms before one of fence ${longest.fence} gave its last sign of life`,
          ];
        if (longest === undefined || life.last > longest.last) longest = life;
      }
    }
    const byFence = Map.groupBy(lives, ({ id, fence }) => `${id} ${fence}`);
    for (const [first, ...others] of byFence.values())
      if (first !== undefined && others.length > 0)
        yield [first.id, `${others.length + 1} bodies have begun with the fence ${first.fence}`];
  },
};
