/** Steps that the verbs share by which an attempt ends and its execution goes on. */
import type { Names } from "./names.ts";
import { tellFinished } from "./tell.ts";

/** As a step: removes the lease rows of `ids`, a query for execution ids; in id order, as the beat writes them. */
export const dropLeases = ({ executionLease }: Names, ids: string) =>
  `unleased as (
      delete from ${executionLease} where execution_id in (
        select execution_id from ${executionLease} where execution_id in (${ids}) order by execution_id for update)
    )`;

/** As steps, after `changed(id, state, queue, ready)`: wakes workers for what is queued, and those who wait for what has ended. */
export const tellSteps = (names: Names) =>
  `woken as (
      select pg_notify('${names.enqueuedChannel}', wake) from (
        select distinct case when ready then queue else '' end as wake from changed where state = 'QUEUED') w
    ), told as (
      ${tellFinished(names, "changed", "state <> 'QUEUED'")}
    )
    select to_json(c)::text as row from (select id, state from changed) c, (select count(*) from woken) w, (select count(*) from told) n`;

/** As a step, after `ended(id, fence, attempt, outcome, worker, error, ..., state)`: on record where another attempt follows. */
export const historyStep = ({ attemptEnded }: Names) =>
  `history as (
      insert into ${attemptEnded} (execution_id, fence, attempt, outcome, worker, error, ray_task_id, ray_node_id, ray_worker_id, pid,
        claimed_at, started_at, finished_at)
      select id, fence, attempt, outcome, worker, error, ray_task_id, ray_node_id, ray_worker_id, pid, claimed_at, started_at, finished_at
      from ended where state = 'QUEUED'
    )`;

/** SET items: nobody holds it, and what `d` tells of the attempt is the row's while no other follows. */
export const LET_GO = `fence = null, holder = null, server = null,
        started_at = case when d.state <> 'QUEUED' then d.started_at end, finished_at = case when d.state <> 'QUEUED' then d.finished_at end,
        ray_task_id = case when d.state <> 'QUEUED' then d.ray_task_id end, ray_node_id = case when d.state <> 'QUEUED' then d.ray_node_id end,
        ray_worker_id = case when d.state <> 'QUEUED' then d.ray_worker_id end, pid = case when d.state <> 'QUEUED' then d.pid end,
        expires_at = case when d.started_at is null then e.expires_at end`;
