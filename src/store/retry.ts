import type { TaskState } from "../task-state.ts";
import type { Store } from "./connection.ts";
import { MARK, unmarking } from "./mark.ts";
import { queryRows } from "./queryable.ts";

/** What a verb met: the state before, and whether it did what was asked. */
export interface VerbRow {
  readonly id: string;
  readonly before: TaskState;
  readonly done: boolean;
}

/** The states that a retry takes. */
const RETRYABLE = "('FAILED', 'CANCELLED', 'EXPIRED', 'LOST')";

/**
 * Queues again what has ended and not SUCCEEDED: with at least one more attempt allowed, a fresh budget for infrastructure, no deadline. The row was the
 * record of its last attempt: that goes to the earlier ones first. Where nobody has settled the terms yet (`max_attempts` is null), its first claim
 * still will. Answers nothing for an id that isn't there.
 *
 * Everything about the last attempt is read from the row as locked: where the lock was waited for, the view and the table still show it running.
 */
export async function retry(store: Store, id: string): Promise<VerbRow | null> {
  const { names } = store;
  const text = `
    with target as (
      select id, state, last_fence, attempt, worker, error, ray_task_id, ray_node_id, ray_worker_id, pid, claimed_at, started_at, finished_at
      from ${names.execution} where id = $1::text::uuid for no key update
    ), history as (
      insert into ${names.attemptEnded} (execution_id, fence, attempt, outcome, worker, error, ray_task_id, ray_node_id, ray_worker_id, pid,
        claimed_at, started_at, finished_at)
      select t.id, t.last_fence, t.attempt, case when t.state = 'FAILED' and t.error->>'code' = 'Timeout' then 'TIMED_OUT' else t.state::text end,
        t.worker, t.error, t.ray_task_id, t.ray_node_id, t.ray_worker_id, t.pid, t.claimed_at, t.started_at, t.finished_at
      from target t where t.state in ${RETRYABLE} and t.last_fence is not null
      on conflict (execution_id, fence) do nothing
    ), changed as (
      update ${names.execution} e set
        state = 'QUEUED', run_at = now(), ready = true, expires_at = null,
        max_attempts = greatest(e.max_attempts, case when e.max_attempts is not null then e.attempt + 1 end),
        infrastructure_losses = 0, finished_at = null, error = null, wait_reason = null, unknown_since = null,
        cancel_requested_at = null, cancel_reason = null, last_fence = null, worker = null, claimed_at = null, started_at = null,
        ray_task_id = null, ray_node_id = null, ray_worker_id = null, pid = null
      from target t where e.id = t.id and t.state in ${RETRYABLE} and ${MARK}
      returning e.id, e.queue
    ), woken as (
      select pg_notify('${names.enqueuedChannel}', queue) from changed
    )
    ${unmarking(
      "changed",
      `select to_json(a)::text as row from (
      select t.id, t.state as before, c.id is not null as done from target t left join changed c on c.id = t.id
    ) a, (select count(*) from woken) w`,
    )}`;
  const [row] = await queryRows<VerbRow>(store, text, [id]);
  return row ?? null;
}
