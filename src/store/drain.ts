import type { TaskState } from "../task-state.ts";
import type { WorkerState } from "../worker-lease.ts";
import type { Store } from "./connection.ts";
import { queryRows } from "./queryable.ts";

/** A live incarnation that was asked to drain. */
export interface DrainedRow {
  readonly id: string;
  readonly host: string;
  readonly pid: number;
  readonly state: WorkerState;
  /** Executions that name it as their holder. */
  readonly held: number;
}

const IS_LIVE = "state in ('STARTING', 'READY', 'DRAINING') and expires_at > now()";

/** Asks the live incarnations of a name to claim no more; they see it at their next beat. Answers their ids. */
export async function requestDrain(store: Store, name: string): Promise<string[]> {
  const text = `
    with asked as (
      update ${store.names.lease} set drain_requested_at = coalesce(drain_requested_at, now()) where id in (
        select id from ${store.names.lease} where name = $1::text and ${IS_LIVE} order by id for no key update) returning id
    )
    select id::text as id from asked order by id`;
  return (await store.query(text, [name])).map((row) => String(row["id"]));
}

/**
 * How far these incarnations are, and others of the name that drain: a worker that begins anew goes on draining. One whose lease has run out is LOST.
 */
export async function readDrained(store: Store, name: string, ids: readonly string[]): Promise<DrainedRow[]> {
  const { names } = store;
  const text = `select to_json(a)::text as row from (
    select l.id, l.host, l.pid,
      case when state in ('STARTING', 'READY', 'DRAINING') and expires_at < now() then 'LOST' else state::text end as state,
      (select count(*) from ${names.execution} e where e.server is not null and e.holder = l.id) as held
    from ${names.lease} l where l.id in (select x::uuid from jsonb_array_elements_text($1::text::jsonb) x)
      or (l.name = $2::text and l.drain_requested_at is not null and ${IS_LIVE}) order by l.started_at, l.id) a`;
  return await queryRows<DrainedRow>(store, text, [JSON.stringify(ids), name]);
}

/** An execution that a draining worker still holds. */
export interface LeftRow {
  readonly id: string;
  readonly task: string;
  readonly state: TaskState;
  readonly claimed_at: string;
}

/** What these incarnations hold, oldest first. */
export async function readLeft(store: Store, ids: readonly string[], limit: number): Promise<LeftRow[]> {
  const text = `select to_json(a)::text as row from (
    select id, task, state, claimed_at from ${store.names.execution}
    where server is not null and holder in (select x::uuid from jsonb_array_elements_text($1::text::jsonb) x)
    order by claimed_at, id limit $2::text::int) a`;
  return await queryRows<LeftRow>(store, text, [JSON.stringify(ids), String(limit)]);
}

/** Names of workers that are alive. */
export async function readLiveNames(store: Store): Promise<string[]> {
  const text = `select distinct name from ${store.names.lease} where ${IS_LIVE} order by name`;
  return (await store.query(text, [])).map((row) => String(row["name"]));
}
