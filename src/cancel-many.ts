import { type CancelFilter, toCancelTarget } from "./cancel-filter.ts";
import {
  CANCEL_BATCH,
  CANCEL_LOOK,
  type CancelCounts,
  type CancelTarget,
  cancelBatch,
  countCancellable,
  readCancellable,
  readNow,
} from "./store/cancel-many.ts";
import type { Store } from "./store/connection.ts";

/**
 * Cancels in batches, each committed by itself unless `store` is in a transaction; what somebody has locked comes last, so that no batch holds its own
 * locks while it waits for another's. What is enqueued meanwhile isn't meant. A batch whose answer was lost is harmless to repeat, and then not in the counts.
 */
export async function cancelByFilter(
  store: Store,
  filter: CancelFilter,
  reason: string | null,
  dryRun: boolean,
  look = CANCEL_LOOK,
): Promise<CancelCounts> {
  const target = toCancelTarget(filter);
  if (target.states.length === 0 || target.ids?.length === 0) return { cancelled: 0, cancelling: 0 };
  if (dryRun) return await countCancellable(store, target);
  const asked = await readNow(store);
  const counts = { cancelled: 0, cancelling: 0 };
  const cancelThose = async (ids: readonly string[], locked: "WAIT" | "SKIP") => {
    const batch = await cancelBatch(store, { ...target, ids, asked }, reason, locked);
    counts.cancelled += batch.cancelled;
    counts.cancelling += batch.cancelling;
    return batch.cancelled + batch.cancelling;
  };
  // In a transaction all that it takes is locked until its end: there the order is worth more.
  const first = store.own ? "SKIP" : "WAIT";
  const left: string[] = [];
  for await (const ids of batches(store, { ...target, asked }, look)) {
    if ((await cancelThose(ids, first)) < ids.length && first === "SKIP") left.push(...ids);
  }
  for (const ids of chunks(left)) await cancelThose(ids, "WAIT");
  return counts;
}

/** In id order, as rows are locked. */
async function* batches(store: Store, target: CancelTarget, look: number): AsyncGenerator<readonly string[]> {
  if (target.ids !== undefined) return yield* chunks([...new Set(target.ids.map((id) => id.toLowerCase()))].sort());
  let ids: readonly string[] = [];
  do {
    ids = await readCancellable(store, target, ids.at(-1) ?? null, look);
    yield* chunks(ids);
  } while (ids.length === look);
}

function* chunks(ids: readonly string[]): Generator<readonly string[]> {
  for (let n = 0; n < ids.length; n += CANCEL_BATCH) yield ids.slice(n, n + CANCEL_BATCH);
}
