import { TASK_STATES, type TaskState } from "../task-state.ts";
import type { Store } from "./connection.ts";
import { queryRows } from "./queryable.ts";

export interface StatsFilter {
  readonly queue?: string;
  readonly task?: string;
}

export interface Count {
  readonly queue: string;
  readonly task: string;
  readonly state: TaskState;
  readonly count: number;
}

/**
 * How many executions of each queue, task and state there are, none where there are none. What has ended isn't looked at: it was counted when it ended.
 * What is queued is counted from an index of its own, which takes about 0.1 s a million.
 */
export async function counts(store: Store, { queue, task }: StatsFilter = {}): Promise<Count[]> {
  const { execution, count } = store.names;
  const parameters: string[] = [];
  const conditions = Object.entries({ queue, task })
    .filter((each): each is [string, string] => each[1] !== undefined)
    .map(([column, value]) => ` and ${column} = $${parameters.push(value)}::text`)
    .join("");
  const text = `select to_json(t)::text as row from (
    select queue, task, 'QUEUED' as state, count(*) as count from ${execution} where state = 'QUEUED'${conditions} group by queue, task
    union all
    select queue, task, state::text, count(*) from ${execution} where server is not null${conditions} group by queue, task, state
    union all
    select queue, task, state::text, sum(change) from ${count} where true${conditions} group by queue, task, state having sum(change) <> 0) t`;
  return await queryRows<Count>(store, text, parameters);
}

/** How many executions are in each state, every state there. */
export async function stats(store: Store, filter: StatsFilter = {}): Promise<Record<TaskState, number>> {
  const sums = Object.fromEntries(TASK_STATES.map((state) => [state, 0])) as Record<TaskState, number>;
  for (const { state, count } of await counts(store, filter)) sums[state] += count;
  return sums;
}

/** Rows a round. */
export const FOLD_BATCH = 50_000;

export interface FoldReport {
  /** Rows that went into the sums. */
  readonly folded: number;
  /** It took a whole batch, and that left fewer rows: another round is worth it. */
  readonly more: boolean;
}

/**
 * Adds up what the triggers wrote, a row for each queue, task and state. It names the executions, and reads none, so that a TRUNCATE of theirs waits for
 * it, or it for that: the trigger that empties the counts then wouldn't see the sums.
 */
export async function foldCounts(store: Store): Promise<FoldReport> {
  const { count, execution } = store.names;
  const text = `
    with taken as (
      delete from ${count} where ctid = any(array(select ctid from ${count} limit ${FOLD_BATCH} for update skip locked))
      returning queue, task, state, change
    ), sums as (
      insert into ${count} (queue, task, state, change)
      select queue, task, state, sum(change) from taken group by queue, task, state having sum(change) <> 0
      returning 1
    )
    select (select count(*) from taken)::text as taken, (select count(*) from sums)::text as written,
      (select count(*) from ${execution} where false) as none`;
  const [row] = await store.query(text, []);
  const [folded, written] = [Number(row?.["taken"] ?? 0), Number(row?.["written"] ?? 0)];
  return { folded, more: folded === FOLD_BATCH && written <= folded / 2 };
}
