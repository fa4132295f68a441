import type { Change, Deed, History } from "./history.ts";
import { TERMINAL } from "./history.ts";

export interface Recovery {
  readonly deed: Deed;
  /** Until the work of what was killed was under a live worker again, or queued again while claims went on; where it had none, until the next claim or result. Null: never. */
  readonly seconds: number | null;
}

/** Of everything that was killed; but for what held nothing, after which there was nothing left to do. */
export function recoveries({ deeds, changes }: History): Recovery[] {
  const byExecution = Map.groupBy(changes, ({ id }) => id);
  const work = changes.filter(isWork);
  return deeds
    .filter(({ kills }) => kills > 0)
    .flatMap((deed) => {
      const nextWork = (after: number) => work.find(({ committed }) => committed > after)?.committed ?? null;
      const moments = [...byExecution.values()].flatMap((own) => backAt(deed, own, nextWork));
      const next = nextWork(deed.at);
      if (moments.length === 0 && next === null) return [];
      if (moments.length === 0) moments.push(next);
      const known = moments.filter((moment) => moment !== null);
      return [{ deed, seconds: known.length < moments.length ? null : (Math.max(...known) - deed.at) / 1_000 }];
    });
}

/** A claim, or an end that was written back: slots may all be taken. */
function isWork({ before, after }: Change): boolean {
  return (
    (before === "QUEUED" && after === "RUNNING") ||
    (before === "RUNNING" && after !== "RUNNING" && after !== "CANCELLING")
  );
}

/**
 * Where the execution was hit by it: when it was with somebody else, or ended, or was queued again while claims went on. How long it then waits for its turn is a
 * question of what else there is to do.
 */
function backAt(
  { at, holders, executions }: Deed,
  changes: readonly Change[],
  nextWork: (after: number) => number | null,
): (number | null)[] {
  const before = changes.filter(({ committed }) => committed <= at).at(-1);
  if (before === undefined || before.holder === null) return [];
  if (!holders.includes(before.holder) && !executions.includes(before.id)) return [];
  const { holder, fence } = before;
  const back = changes.find(
    (change) =>
      change.committed > at &&
      (TERMINAL.has(change.after) || change.after === "QUEUED" || change.holder !== holder || change.fence !== fence),
  );
  if (back === undefined) return [null];
  if (back.after !== "QUEUED") return [back.committed];
  // Nobody need claim any more where it was cancelled, or expired, while it was queued.
  const end = changes.find(({ after, committed }) => committed > back.committed && TERMINAL.has(after));
  return [nextWork(back.committed) ?? end?.committed ?? null];
}
