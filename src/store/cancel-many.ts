import type { Store } from "./connection.ts";
import { MARK, unmarking } from "./mark.ts";
import { queryRows } from "./queryable.ts";
import { tellFinished } from "./tell.ts";

/** Rows a statement: it locks them all, and who claims or completes others isn't held up for long. */
export const CANCEL_BATCH = 500;

/** Which live executions are meant; what is left out doesn't narrow them down. Instants as text that Postgres reads. */
export interface CancelTarget {
  readonly states: readonly ("QUEUED" | "RUNNING")[];
  readonly ids?: readonly string[];
  readonly queue?: string;
  readonly task?: string;
  readonly tag?: string;
  readonly createdAfter?: string;
  readonly createdBefore?: string;
  /** When it was asked for: what comes later isn't meant, so that it ends however fast others enqueue. */
  readonly asked?: string;
}

export interface CancelCounts {
  /** CANCELLED: they were queued. */
  readonly cancelled: number;
  /** CANCELLING: they run, and are being stopped. */
  readonly cancelling: number;
}

export interface CancelBatch extends CancelCounts {
  /** The last id that was looked at; null: nothing is left. */
  readonly last: string | null;
}

/** Conditions on row `e`, and the parameters that they name. Only what is given, so that the planner sees what it is asked for. */
function meant(target: CancelTarget): { from: (execution: string) => string; where: string; params: string[] } {
  const params: string[] = [];
  const where = [`e.state in (${target.states.map((each) => `'${each}'`).join(", ")})`];
  const add = (value: string | undefined, condition: (parameter: string) => string) => {
    if (value !== undefined) where.push(condition(`$${params.push(value)}::text`));
  };
  add(target.queue, (p) => `e.queue = ${p}`);
  add(target.task, (p) => `e.task = ${p}`);
  add(target.tag, (p) => `${p} = any(e.tags)`);
  add(target.createdBefore, (p) => `e.created_at < ${p}::timestamptz`);
  add(target.createdAfter, (p) => `e.created_at > ${p}::timestamptz`);
  add(target.asked, (p) => `e.created_at <= ${p}::timestamptz`);
  if (target.ids === undefined) return { from: (execution) => `${execution} e`, where: where.join(" and "), params };
  const ids = `(select distinct x::uuid as id from jsonb_array_elements_text($${params.push(JSON.stringify(target.ids))}::text::jsonb) x)`;
  return { from: (execution) => `${ids} i join ${execution} e on e.id = i.id`, where: where.join(" and "), params };
}

/** How many would be cancelled now. */
export async function countCancellable(store: Store, target: CancelTarget): Promise<CancelCounts> {
  const { from, where, params } = meant(target);
  const text = `select to_json(a)::text as row from (
    select count(*) filter (where e.state = 'QUEUED') as cancelled, count(*) filter (where e.state = 'RUNNING') as cancelling
    from ${from(store.names.execution)} where ${where}) a`;
  const [row] = await queryRows<CancelCounts>(store, text, params);
  return row ?? { cancelled: 0, cancelling: 0 };
}

/**
 * Cancels the next batch of those that are meant, after `after` in id order: every verb locks in that order, so that none waits for another in a
 * circle. A row that changed while its lock was waited for is looked at again.
 */
export async function cancelBatch(
  store: Store,
  target: CancelTarget,
  after: string | null,
  reason: string | null,
): Promise<CancelBatch> {
  const { names } = store;
  const { from, where, params } = meant(target);
  const because = `$${params.length + 1}::text`;
  const later = after === null ? "" : `and e.id > $${params.length + 2}::text::uuid`;
  const text = `
    with target as (
      select e.id, e.state from ${from(names.execution)} where ${where} ${later}
      order by e.id limit ${CANCEL_BATCH} for update of e
    ), changed as (
      update ${names.execution} e set
        state = case when t.state = 'QUEUED' then 'CANCELLED' else 'CANCELLING' end::${names.state},
        finished_at = case when t.state = 'QUEUED' then now() end,
        cancel_requested_at = now(), cancel_reason = ${because}, wait_reason = null
      from target t where e.id = t.id and ${MARK}
      returning e.id, e.state, e.holder
    ), told as (
      select pg_notify('${names.cancelChannel}', holder::text) from (select distinct holder from changed where state = 'CANCELLING') h
      union all
      ${tellFinished(names, "changed", "state = 'CANCELLED'")}
    )
    ${unmarking(
      "changed",
      `select to_json(a)::text as row from (
      select count(*) filter (where state = 'CANCELLED') as cancelled, count(*) filter (where state = 'CANCELLING') as cancelling,
        case when count(*) = ${CANCEL_BATCH} then (array_agg(id order by id desc))[1] end as last from changed
    ) a, (select count(*) from told) n`,
    )}`;
  const [row] = await queryRows<CancelBatch>(store, text, [...params, reason, ...(after === null ? [] : [after])]);
  return row ?? { cancelled: 0, cancelling: 0, last: null };
}

/** The database's now, as text without loss. */
export async function readNow(store: Store): Promise<string> {
  const [row] = await store.query("select clock_timestamp()::text as now", []);
  return String(row?.["now"]);
}
