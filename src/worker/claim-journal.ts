import { appendFileSync } from "node:fs";
import { type ClaimedExecution, type ClaimRequest, claim, claimWithEntry } from "../store/claim.ts";
import type { Store } from "../store/connection.ts";

/** How a claimer claims. */
export type Claim = (store: Store, request: ClaimRequest) => Promise<ClaimedExecution[]>;

/**
 * With `path`, every claim is noted there as one line of JSON, `{begin, end, holder, queues, limit, rows}` (see `ClaimEntry`), so that what was passed over can be
 * checked afterwards. A claim whose answer is lost is in no journal.
 */
export function claimInto(path: string | null): Claim {
  if (path === null) return claim;
  return async (store, request) => {
    const { claimed, entry } = await claimWithEntry(store, request);
    const { holder, queues, limit } = request;
    appendFileSync(path, `${JSON.stringify({ ...entry, holder, queues, limit })}\n`);
    return claimed;
  };
}
