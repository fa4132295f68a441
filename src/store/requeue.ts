import type { TaskError } from "../errors.ts";
import { DEFAULT_RETRY } from "../retry-policy.ts";
import type { Store } from "./connection.ts";
import { dropLeases, historyStep, LET_GO, tellSteps } from "./end-steps.ts";
import { MARK } from "./mark.ts";
import type { Names } from "./names.ts";
import { queryRows } from "./queryable.ts";
import { REPORT_COLUMNS, type RunReport, reportRecord, whereItRan } from "./run-report.ts";
import { storableError } from "./storable.ts";

/** Deaths of its own process in a row, on living nodes, at which it is taken for the task's own fault. */
const PROCESS_CRASHES = 3;
/** Seconds of the longest backoff after infrastructure losses; the first requeue is at once. */
const LONGEST_BACKOFF = 300;

/** An attempt that the infrastructure took. */
export interface LostAttempt {
  readonly id: string;
  readonly fence: number;
  readonly error: TaskError;
  /** Where it ran, as far as somebody can tell. */
  readonly run?: RunReport | null;
  /** It has a lease row. */
  readonly leased?: boolean;
}

export interface RequeuedRow {
  readonly id: string;
  readonly state: string;
}

/**
 * Requeues attempts that infrastructure took, on its own budget: the task's attempts stay what they were. Fenced by fence and holder.
 * One that was being cancelled is CANCELLED now that it is known to be dead. `leastDelaySeconds` keeps them from being claimed while Ray still ends
 * what ran.
 */
export async function requeue(
  store: Store,
  holder: string,
  lost: readonly LostAttempt[],
  leastDelaySeconds = 0,
): Promise<RequeuedRow[]> {
  const { names } = store;
  const leased = lost.some((each) => each.leased === true);
  const text = `
    with incoming as (
      select * from jsonb_to_recordset($1::text::jsonb) as r(id uuid, fence bigint, error jsonb, ${REPORT_COLUMNS})
    ), target as (
      select e.state as before, r.* from ${names.execution} e join incoming r on e.id = r.id and e.fence = r.fence and e.holder = $2::text::uuid
      order by e.id for no key update of e skip locked
    ), ${requeueSteps(names, { leastDelay: "$3::text::float8", reported: true, leased })}`;
  const records = lost.map(({ id, fence, error, run }) => ({
    id,
    fence,
    error: storableError(error),
    ...reportRecord(run ?? null),
  }));
  return await queryRows<RequeuedRow>(store, text, [JSON.stringify(records), holder, String(leastDelaySeconds)]);
}

export interface RequeueStepsOptions {
  /** SQL for the seconds that they wait at least. */
  readonly leastDelay?: string;
  /** `target` has the columns of a run report too. */
  readonly reported?: boolean;
  /** Some may have lease rows. */
  readonly leased?: boolean;
}

/**
 * The steps that follow `target(id, error, before)`: the new state, history where another attempt follows, the wake-up. `rescue` ends in the same ones.
 */
export function requeueSteps(
  names: Names,
  { leastDelay = "0", reported = false, leased = true }: RequeueStepsOptions = {},
): string {
  const leases = leased ? `, ${dropLeases(names, "select id from ended")}` : "";
  return `ended as (
      select t.id, e.fence, e.attempt, e.worker, e.claimed_at, 'LOST' as outcome, t.error, e.infrastructure_losses + 1 as losses,
        ${whereItRan("e", reported ? "t" : null)},
        case when t.before = 'CANCELLING' then 'CANCELLED'
          when t.error->>'code' = 'ProcessCrashed' and ${crashesBefore(names)} = ${PROCESS_CRASHES - 1} then 'FAILED'
          when e.infrastructure_losses + 1 > ${BUDGET} then 'LOST'
          else 'QUEUED' end as state,
        greatest(${leastDelay}, case when e.infrastructure_losses = 0 then 0
          else least(power(2, least(e.infrastructure_losses, 20)), ${LONGEST_BACKOFF}) * (0.5 + random() / 2) end) as backoff
      from target t join ${names.execution} e on e.id = t.id
    ), ${historyStep(names)}${leases}, changed as (
      update ${names.execution} e set
        state = d.state::${names.state}, ${LET_GO}, infrastructure_losses = d.losses, unknown_since = null,
        attempt = case when d.state = 'QUEUED' then e.attempt - 1 else e.attempt end,
        run_at = case when d.state = 'QUEUED' then now() + make_interval(secs => d.backoff) else e.run_at end,
        ready = case when d.state = 'QUEUED' then d.backoff = 0 else e.ready end,
        error = case d.state when 'LOST' then d.error when 'FAILED' then d.error || jsonb_build_object('message',
          (d.error->>'message') || ' (for the ${PROCESS_CRASHES}rd time in a row: it is not run again)') end,
        wait_reason = case when d.state = 'QUEUED' then 'Requeued: ' || (d.error->>'message') end
      from ended d where e.id = d.id and ${MARK}
      returning e.id, e.state, e.queue, e.ready
    ), ${tellSteps(names)}`;
}

/** Losses that row `e` may have: its own policy's number. The column can be written by hand, so that what is no number counts as not said. */
const BUDGET = `case when jsonb_typeof(e.retry->'losses') = 'number' then (e.retry->>'losses')::numeric else ${DEFAULT_RETRY.losses} end`;

/** Of the last attempts of row `e`, how many died like that and were run again: one that wasn't, and got another try by hand, begins the row anew. */
const crashesBefore = ({ attemptEnded }: Names) => `(
            select count(*) from (
              select a.outcome, a.error->>'code' as code from ${attemptEnded} a where a.execution_id = e.id
              order by a.fence desc limit ${PROCESS_CRASHES - 1}) earlier
            where earlier.code = 'ProcessCrashed' and earlier.outcome = 'LOST')`;
