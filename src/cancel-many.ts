import { type CancelFilter, toCancelTarget } from "./cancel-filter.ts";
import { CANCEL_BATCH, type CancelCounts, cancelBatch, countCancellable, readNow } from "./store/cancel-many.ts";
import type { Store } from "./store/connection.ts";

/** Cancels in batches, each committed by itself unless `store` is in a transaction; what is enqueued meanwhile isn't meant. */
export async function cancelByFilter(
  store: Store,
  filter: CancelFilter,
  reason: string | null,
  dryRun: boolean,
): Promise<CancelCounts> {
  const target = toCancelTarget(filter);
  if (target.states.length === 0 || target.ids?.length === 0) return { cancelled: 0, cancelling: 0 };
  if (dryRun) return await countCancellable(store, target);
  const asked = await readNow(store);
  const counts = { cancelled: 0, cancelling: 0 };
  for (const ids of batchesOf(target.ids)) {
    let last: string | null = null;
    do {
      const batch = await cancelBatch(store, { ...target, ...(ids === null ? {} : { ids }), asked }, last, reason);
      counts.cancelled += batch.cancelled;
      counts.cancelling += batch.cancelling;
      last = ids === null ? batch.last : null;
    } while (last !== null);
  }
  return counts;
}

/** In id order, as rows are locked. */
function batchesOf(ids: readonly string[] | undefined): (readonly string[] | null)[] {
  if (ids === undefined) return [null];
  const sorted = [...new Set(ids.map((id) => id.toLowerCase()))].sort();
  return Array.from({ length: Math.ceil(sorted.length / CANCEL_BATCH) }, (_, n) =>
    sorted.slice(n * CANCEL_BATCH, (n + 1) * CANCEL_BATCH),
  );
}
