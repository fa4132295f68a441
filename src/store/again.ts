import type { TaskError } from "../errors.ts";
import type { Store } from "./connection.ts";
import { dropLeases, historyStep, LET_GO, tellSteps } from "./end-steps.ts";
import { MARK } from "./mark.ts";
import { queryRows } from "./queryable.ts";
import type { RequeuedRow } from "./requeue.ts";
import { REPORT_COLUMNS, type RunReport, reportRecord, whereItRan } from "./run-report.ts";
import { storableError, storableText } from "./storable.ts";

/** An attempt that ended by itself and is followed by another. */
export interface AttemptToFollow {
  readonly id: string;
  readonly fence: number;
  /** FAILED and TIMED_OUT used a try, SNOOZED didn't. */
  readonly outcome: "FAILED" | "TIMED_OUT" | "SNOOZED";
  readonly error: TaskError | null;
  /** Seconds from now to when the next one is due. */
  readonly afterSeconds: number;
  /** Shown with the execution while it waits. */
  readonly reason: string;
  readonly run: RunReport;
  /** It has a lease row. */
  readonly leased: boolean;
}

/**
 * Queues executions again whose attempt has failed or snoozed, and puts that attempt on record. Fenced by fence and holder: a late one is left out of
 * the answer. One that is being cancelled isn't run again, even if its holder hadn't heard of that: it is FAILED by its own error, CANCELLED if it
 * snoozed.
 */
export async function again(
  store: Store,
  holder: string,
  attempts: readonly AttemptToFollow[],
): Promise<RequeuedRow[]> {
  const { names } = store;
  const leases = attempts.some(({ leased }) => leased)
    ? `, ${dropLeases(names, "select d.id from ended d join incoming r on r.id = d.id where r.leased")}`
    : "";
  const text = `
    with incoming as (
      select * from jsonb_to_recordset($1::text::jsonb) as r(
        id uuid, fence bigint, outcome text, error jsonb, delay float8, reason text, leased boolean, ${REPORT_COLUMNS})
    ), ended as (
      select e.id, e.fence, e.attempt, e.worker, e.claimed_at, r.outcome, r.error, r.delay, r.reason, ${whereItRan("e", "r")},
        case when e.state <> 'CANCELLING' then 'QUEUED' when r.outcome = 'SNOOZED' then 'CANCELLED' else 'FAILED' end as state
      from ${names.execution} e join incoming r on e.id = r.id and e.fence = r.fence and e.holder = $2::text::uuid
      order by e.id for no key update of e skip locked
    ), ${historyStep(names)}${leases}, changed as (
      update ${names.execution} e set
        state = d.state::${names.state}, ${LET_GO}, unknown_since = null,
        attempt = case when d.state = 'QUEUED' and d.outcome = 'SNOOZED' then e.attempt - 1 else e.attempt end,
        run_at = case when d.state = 'QUEUED' then now() + make_interval(secs => d.delay) else e.run_at end,
        ready = case when d.state = 'QUEUED' then d.delay = 0 else e.ready end,
        error = case when d.state = 'FAILED' then d.error end,
        wait_reason = case when d.state = 'QUEUED' then d.reason end
      from ended d where e.id = d.id and ${MARK}
      returning e.id, e.state, e.queue, e.ready
    ), ${tellSteps(names)}`;
  return await queryRows<RequeuedRow>(store, text, [JSON.stringify(attempts.map(toRecord)), holder]);
}

function toRecord(attempt: AttemptToFollow): Record<string, unknown> {
  return {
    id: attempt.id,
    fence: attempt.fence,
    outcome: attempt.outcome,
    error: storableError(attempt.error),
    delay: attempt.afterSeconds,
    reason: storableText(attempt.reason),
    leased: attempt.leased,
    ...reportRecord(attempt.run),
  };
}
