import type { Change, Deed, History } from "./history.ts";
import { TERMINAL } from "./history.ts";

export interface Recovery {
  readonly deed: Deed;
  /** Until the work of what was killed was under a live worker again, had run again or ended; where it had none, until the next claim. Null: never. */
  readonly seconds: number | null;
}

/** Of everything that was killed. */
export function recoveries({ deeds, changes }: History): Recovery[] {
  const byExecution = Map.groupBy(changes, ({ id }) => id);
  const claims = changes.filter(({ before, after }) => before === "QUEUED" && after === "RUNNING");
  return deeds
    .filter(({ kills }) => kills > 0)
    .map((deed) => {
      const moments = [...byExecution.values()].flatMap((own) => backAt(deed, own));
      if (moments.length === 0) moments.push(claims.find(({ committed }) => committed > deed.at)?.committed ?? null);
      const known = moments.filter((moment) => moment !== null);
      return { deed, seconds: known.length < moments.length ? null : (Math.max(...known) - deed.at) / 1_000 };
    });
}

/** Where the execution was hit by it: when it was with somebody else, or ended. */
function backAt({ at, holders, executions }: Deed, changes: readonly Change[]): (number | null)[] {
  const before = changes.filter(({ committed }) => committed <= at).at(-1);
  if (before === undefined || before.holder === null) return [];
  if (!holders.includes(before.holder) && !executions.includes(before.id)) return [];
  const { holder, fence } = before;
  const back = changes.find(
    (change) =>
      change.committed > at &&
      (TERMINAL.has(change.after) || (change.holder !== null && (change.holder !== holder || change.fence !== fence))),
  );
  return [back?.committed ?? null];
}
