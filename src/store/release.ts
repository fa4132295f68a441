import type { Store } from "./connection.ts";
import { dropLeases, tellSteps } from "./end-steps.ts";
import { MARK } from "./mark.ts";
import { queryRows } from "./queryable.ts";
import type { RequeuedRow } from "./requeue.ts";

/** An attempt that was claimed and not begun, to be handed back without using a try. */
export interface ReleasedAttempt {
  readonly id: string;
  readonly fence: number;
  /** Shown with the execution. */
  readonly reason: string;
  /** Seconds before it may be claimed again. */
  readonly delaySeconds: number;
  /** Released because this worker doesn't know its task. */
  readonly unknownTask: boolean;
  /** It has a lease row. */
  readonly leased?: boolean;
}

/** Seconds without a live worker that registers the task, after which it is FAILED. */
export const UNKNOWN_TASK_SECONDS = 600;

/**
 * Hands attempts back. One whose task no live worker has registered for 10 minutes becomes FAILED (UnknownTask); one that was being cancelled
 * is CANCELLED, since it never began, and one whose deadline has passed is EXPIRED. One that somebody has locked is left out of the answer, like a late
 * one: an application's open transaction isn't to hold up the others.
 */
export async function release(
  store: Store,
  holder: string,
  released: readonly ReleasedAttempt[],
): Promise<RequeuedRow[]> {
  const { names } = store;
  const leases = released.some(({ leased }) => leased === true)
    ? `, ${dropLeases(names, "select id from changed")}`
    : "";
  const text = `
    with incoming as (
      select * from jsonb_to_recordset($1::text::jsonb) as r(id uuid, fence bigint, reason text, "delaySeconds" float8, "unknownTask" boolean)
    ), known as (
      select distinct unnest(tasks) as task from ${names.lease} where state in ('READY', 'DRAINING') and expires_at > now()
    ), locked as (
      select e.id, r.reason, r."delaySeconds" as delay, r."unknownTask" and not e.task in (select task from known) as unknown,
        case when e.state = 'CANCELLING' then 'CANCELLED'
          when e.expires_at <= now() then 'EXPIRED'
          when r."unknownTask" and e.unknown_since < now() - interval '${UNKNOWN_TASK_SECONDS} seconds' and not e.task in (select task from known)
            then 'FAILED'
          else 'QUEUED' end as state
      from ${names.execution} e join incoming r on e.id = r.id and e.fence = r.fence and e.holder = $2::text::uuid
      order by e.id for no key update of e skip locked
    ), changed as (
      update ${names.execution} e set
        state = l.state::${names.state}, fence = null, holder = null, server = null, attempt = e.attempt - 1,
        last_fence = null, worker = null, claimed_at = null, started_at = null,
        ray_task_id = null, ray_node_id = null, ray_worker_id = null, pid = null,
        run_at = case when l.state = 'QUEUED' then now() + make_interval(secs => l.delay) else e.run_at end,
        ready = case when l.state = 'QUEUED' then l.delay = 0 else e.ready end,
        finished_at = case when l.state <> 'QUEUED' then now() end,
        wait_reason = case when l.state = 'QUEUED' then l.reason end,
        unknown_since = case when l.unknown then coalesce(e.unknown_since, now()) end,
        error = case when l.state = 'FAILED' then jsonb_build_object(
          'code', 'UnknownTask', 'type', 'UnknownTask', 'bases', jsonb_build_array(),
          'message', l.reason || ' No live worker has registered it for 10 minutes.', 'traceback', null) end
      from locked l where e.id = l.id and ${MARK}
      returning e.id, e.state, e.queue, e.ready
    )${leases}, ${tellSteps(names)}`;
  return await queryRows<RequeuedRow>(store, text, [JSON.stringify(released), holder]);
}
