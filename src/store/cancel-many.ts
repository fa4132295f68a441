import type { Store } from "./connection.ts";
import { MARK, unmarking } from "./mark.ts";
import { queryRows } from "./queryable.ts";
import { tellFinished } from "./tell.ts";

/** Rows a statement: it locks them all, and who claims or completes others isn't held up for long. */
export const CANCEL_BATCH = 500;
/** Ids a look: each look goes over everything that is live. */
export const CANCEL_LOOK = 50_000;

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

/** Each written so that the small index of its rows answers: `state in (...)` implies neither, and reads what has ended too. */
const LIVE = { QUEUED: "e.state = 'QUEUED'", RUNNING: "(e.server is not null and e.state = 'RUNNING')" } as const;

/** Conditions on row `e`, and the parameters that they name. Only what is given, so that the planner sees what it is asked for. */
function meant(target: CancelTarget): { where: string; params: string[] } {
  const params: string[] = [];
  const where = [`(${target.states.map((each) => LIVE[each]).join(" or ")})`];
  const add = (value: string | undefined, condition: (parameter: string) => string) => {
    if (value !== undefined) where.push(condition(`$${params.push(value)}::text`));
  };
  add(target.queue, (p) => `e.queue = ${p}`);
  add(target.task, (p) => `e.task = ${p}`);
  add(target.tag, (p) => `${p} = any(e.tags)`);
  add(target.createdBefore, (p) => `e.created_at < ${p}::timestamptz`);
  add(target.createdAfter, (p) => `e.created_at > ${p}::timestamptz`);
  add(target.asked, (p) => `e.created_at <= ${p}::timestamptz`);
  if (target.ids !== undefined)
    add(
      JSON.stringify(target.ids),
      (p) => `e.id = any(array(select x::uuid from jsonb_array_elements_text(${p}::jsonb) x))`,
    );
  return { where: where.join(" and "), params };
}

/** How many would be cancelled now. */
export async function countCancellable(store: Store, target: CancelTarget): Promise<CancelCounts> {
  const { where, params } = meant(target);
  const text = `select to_json(a)::text as row from (
    select count(*) filter (where e.state = 'QUEUED') as cancelled, count(*) filter (where e.state = 'RUNNING') as cancelling
    from ${store.names.execution} e where ${where}) a`;
  const [row] = await queryRows<CancelCounts>(store, text, params);
  return row ?? { cancelled: 0, cancelling: 0 };
}

/**
 * The next ids of those that are meant, after `after` in id order. All that is live is found before it is sorted: asked for the first ids by their own
 * order, Postgres would walk the primary key, and what has ended is at its beginning.
 */
export async function readCancellable(
  store: Store,
  target: CancelTarget,
  after: string | null,
  limit = CANCEL_LOOK,
): Promise<string[]> {
  const { where, params } = meant(target);
  const later = after === null ? "" : `and e.id > $${params.push(after)}::text::uuid`;
  const text = `
    with live as materialized (select e.id from ${store.names.execution} e where ${where} ${later})
    select id::text as id from live order by live.id limit ${limit}`;
  return (await store.query(text, params)).map((row) => String(row["id"]));
}

/**
 * Cancels those of `ids` that are meant, in id order: every verb locks in that order, so that none waits for another in a circle. A row that changed
 * while its lock was waited for is looked at again. With SKIP, what somebody has locked is left out.
 */
export async function cancelBatch(
  store: Store,
  target: CancelTarget & { readonly ids: readonly string[] },
  reason: string | null,
  locked: "WAIT" | "SKIP" = "WAIT",
): Promise<CancelCounts> {
  const { names } = store;
  const { where, params } = meant(target);
  const because = `$${params.length + 1}::text`;
  const text = `
    with target as (
      select e.id, e.state from ${names.execution} e where ${where} order by e.id for no key update of e${locked === "SKIP" ? " skip locked" : ""}
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
      select count(*) filter (where state = 'CANCELLED') as cancelled, count(*) filter (where state = 'CANCELLING') as cancelling from changed
    ) a, (select count(*) from told) n`,
    )}`;
  const [row] = await queryRows<CancelCounts>(store, text, [...params, reason]);
  return row ?? { cancelled: 0, cancelling: 0 };
}

/** The database's now, as text without loss. */
export async function readNow(store: Store): Promise<string> {
  const [row] = await store.query("select clock_timestamp()::text as now", []);
  return String(row?.["now"]);
}
