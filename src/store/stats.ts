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
  /** It took most of a batch, and that left fewer rows: another round is worth it. */
  readonly more: boolean;
}

/**
 * Adds up what the triggers wrote, a row for each queue, task and state. What has a row to itself is left as it is: an idle system writes nothing.
 *
 * Looks at a batch, and at the whole table only where that is full of rows that have nothing to be added to. It names the executions, and reads none, so
 * that a TRUNCATE of theirs waits for it, or it for that: the trigger that empties the counts then wouldn't see the sums.
 */
export async function foldCounts(store: Store): Promise<FoldReport> {
  const first = await fold(store, String(FOLD_BATCH));
  const { folded, written } = first.looked === FOLD_BATCH && first.folded === 0 ? await fold(store, "all") : first;
  return { folded, more: folded >= FOLD_BATCH / 2 && written <= folded / 2 };
}

async function fold(store: Store, limit: string): Promise<Record<"looked" | "folded" | "written", number>> {
  const { count, execution } = store.names;
  const text = `
    with looked as materialized (
      select ctid as at, queue, task, state from ${count} limit ${limit}
    ), shared as (
      select at from looked join (select queue, task, state from looked group by queue, task, state having count(*) > 1) g using (queue, task, state)
      limit ${FOLD_BATCH}
    ), taken as (
      delete from ${count} where ctid = any(array(
        select ctid from ${count} where ctid = any(array(select at from shared)) for update skip locked))
      returning queue, task, state, change
    ), sums as (
      insert into ${count} (queue, task, state, change)
      select queue, task, state, sum(change) from taken group by queue, task, state having sum(change) <> 0
      returning 1
    )
    select (select count(*) from looked)::text as looked, (select count(*) from taken)::text as folded, (select count(*) from sums)::text as written,
      (select count(*) from ${execution} where false) as none`;
  const [row] = await store.query(text, []);
  const number = (name: string) => Number(row?.[name] ?? 0);
  return { looked: number("looked"), folded: number("folded"), written: number("written") };
}
