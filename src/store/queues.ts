import type { Store } from "./connection.ts";
import type { Names } from "./names.ts";
import type { PauseRow } from "./pause.ts";
import { queryRows } from "./queryable.ts";

export interface QueueRow extends PauseRow {
  readonly ready: number;
  readonly scheduled: number;
  readonly held: number;
  readonly workers: number;
}

/** Of row `e`: that its queue is paused, in words, where it is QUEUED in one that is; else null. */
export const pauseReasonOf = (names: Names, e: string) => `(
    select 'The queue "' || q.name || '" is paused' || coalesce(': ' || q.pause_reason, '')
      || to_char(q.paused_at at time zone 'UTC', ' ("since" YYYY-MM-DD HH24:MI:SS "UTC")')
    from ${names.queue} q where q.name = ${e}.queue and q.paused_at is not null and ${e}.state = 'QUEUED')`;

/**
 * Every queue that is paused, has live executions or a live worker, by name. Three counts, each over the partial index that has just those rows: what
 * has ended costs nothing.
 */
export async function readQueues(store: Store): Promise<QueueRow[]> {
  const { names } = store;
  const text = `
    with counted as (
      select queue as name, count(*) as ready, 0 as scheduled, 0 as held, 0 as workers
        from ${names.execution} where state = 'QUEUED' and ready group by queue
      union all
      select queue, 0, count(*), 0, 0 from ${names.execution} where state = 'QUEUED' and not ready group by queue
      union all
      select queue, 0, 0, count(*), 0 from ${names.execution} where server is not null group by queue
      union all
      select q.queue, 0, 0, 0, count(*) from ${names.lease} l, unnest(l.queues) as q(queue)
        where l.state in ('STARTING', 'READY', 'DRAINING') and l.expires_at > now() group by q.queue
      union all
      select name, 0, 0, 0, 0 from ${names.queue} where paused_at is not null
    )
    select to_json(a)::text as row from (
      select c.name, q.paused_at, q.pause_reason, sum(ready)::bigint as ready, sum(scheduled)::bigint as scheduled, sum(held)::bigint as held,
        sum(workers)::bigint as workers
      from counted c left join ${names.queue} q on q.name = c.name group by c.name, q.paused_at, q.pause_reason order by c.name) a`;
  return await queryRows<QueueRow>(store, text, []);
}
