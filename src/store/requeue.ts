import type { TaskError } from "../errors.ts";
import { withoutNul } from "./complete.ts";
import type { Store } from "./connection.ts";
import { MARK } from "./mark.ts";
import type { Names } from "./names.ts";
import { queryRows } from "./queryable.ts";

/** Attempts that infrastructure may take before an execution becomes LOST. */
export const INFRASTRUCTURE_BUDGET = 10;
/** Deaths of its own process in a row, on living nodes, at which it is taken for the task's own fault. */
const PROCESS_CRASHES = 3;
/** Seconds of the longest backoff after infrastructure losses; the first requeue is at once. */
const LONGEST_BACKOFF = 300;

/** An attempt that the infrastructure took. */
export interface LostAttempt {
  readonly id: string;
  readonly fence: number;
  readonly error: TaskError;
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
  const text = `
    with incoming as (
      select * from jsonb_to_recordset($1::text::jsonb) as r(id uuid, fence bigint, error jsonb)
    ), target as (
      select e.id, r.error, e.state as before from ${names.execution} e join incoming r on e.id = r.id and e.fence = r.fence and e.holder = $2::text::uuid
      order by e.id for update of e
    ), ${requeueSteps(names, "$3::text::float8")}`;
  const records = lost.map((each) => ({ ...each, error: withoutNul(each.error) }));
  return await queryRows<RequeuedRow>(store, text, [JSON.stringify(records), holder, String(leastDelaySeconds)]);
}

/**
 * The steps that follow `target(id, error, before)`: the new state, history where another attempt follows, the wake-up. `rescue` ends in the same ones.
 */
export function requeueSteps(names: Names, leastDelay = "0"): string {
  return `decided as (
      select t.id, t.error, e.infrastructure_losses + 1 as losses,
        case when t.before = 'CANCELLING' then 'CANCELLED'
          when t.error->>'code' = 'ProcessCrashed' and (
            select count(*) from (
              select a.error->>'code' as code from ${names.attemptEnded} a where a.execution_id = e.id
              order by a.fence desc limit ${PROCESS_CRASHES - 1}) earlier
            where earlier.code = 'ProcessCrashed') = ${PROCESS_CRASHES - 1} then 'FAILED'
          when e.infrastructure_losses + 1 > ${INFRASTRUCTURE_BUDGET} then 'LOST'
          else 'QUEUED' end as state,
        greatest(${leastDelay}, case when e.infrastructure_losses = 0 then 0
          else least(power(2, least(e.infrastructure_losses, 20)), ${LONGEST_BACKOFF}) * (0.5 + random() / 2) end) as backoff
      from target t join ${names.execution} e on e.id = t.id
    ), history as (
      insert into ${names.attemptEnded} (execution_id, fence, attempt, outcome, worker, error, claimed_at, started_at, finished_at)
      select e.id, e.fence, e.attempt, 'LOST', e.worker, d.error, e.claimed_at, e.started_at, now()
      from decided d join ${names.execution} e on e.id = d.id where d.state = 'QUEUED'
    ), changed as (
      update ${names.execution} e set
        state = d.state::${names.state}, fence = null, holder = null, server = null, infrastructure_losses = d.losses, unknown_since = null,
        attempt = case when d.state = 'QUEUED' then e.attempt - 1 else e.attempt end,
        run_at = case when d.state = 'QUEUED' then now() + make_interval(secs => d.backoff) else e.run_at end,
        ready = case when d.state = 'QUEUED' then d.backoff = 0 else e.ready end,
        finished_at = case when d.state <> 'QUEUED' then now() end,
        error = case when d.state in ('FAILED', 'LOST') then d.error end,
        wait_reason = case when d.state = 'QUEUED' then 'Requeued: ' || (d.error->>'message') end
      from decided d where e.id = d.id and ${MARK}
      returning e.id, e.state, e.queue, e.ready
    ), woken as (
      select pg_notify('${names.enqueuedChannel}', wake) from (
        select distinct case when ready then queue else '' end as wake from changed where state = 'QUEUED') w
    ), told as (
      select pg_notify('${names.finishedChannel}', id::text) from changed where state <> 'QUEUED'
    )
    select to_json(c)::text as row from (select id, state from changed) c, (select count(*) from woken) w, (select count(*) from told) n`;
}
