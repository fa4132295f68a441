import type { Store } from "./connection.ts";
import { MARK } from "./mark.ts";
import { queryRows } from "./queryable.ts";
import { EVERYTHING, type Sweep, withinSweep } from "./sweep.ts";

const BATCH = 1000;

export interface PromoteReport {
  /** Executions that became ready. */
  readonly promoted: number;
  /** Seconds until the next one is due, by the database's clock; 0 when more are due already, null when nothing is scheduled. */
  readonly nextInSeconds: number | null;
}

const DUE = "state = 'QUEUED' and not ready and run_at <= now()";

/** Makes due executions ready, oldest first, and says when the next one is due. */
export async function promote(store: Store, sweep: Sweep = EVERYTHING): Promise<PromoteReport> {
  const { names } = store;
  const { condition, parameters } = withinSweep(sweep);
  const text = `
    with due as (
      select e.id from ${names.execution} e where ${DUE} and ${condition}
      order by run_at limit ${BATCH} for no key update skip locked
    ), changed as (
      update ${names.execution} e set ready = true where e.id = any(array(select id from due)) and ${MARK} returning e.queue
    ), woken as (
      select pg_notify('${names.enqueuedChannel}', queue) from (select distinct queue from changed) q
    )
    select to_json(a)::text as row from (
      select (select count(*) from changed) as promoted, (select count(*) from woken) as woken,
        extract(epoch from (select min(run_at) from ${names.execution} where state = 'QUEUED' and not ready and run_at > now()) - now())::float8
          as "nextInSeconds") a`;
  const [row] = await queryRows<PromoteReport>(store, text, parameters);
  if (row === undefined) return { promoted: 0, nextInSeconds: null };
  return { promoted: row.promoted, nextInSeconds: row.promoted === BATCH ? 0 : row.nextInSeconds };
}

/** What the next round of `promote` would take. */
export async function readDue(store: Store, except: readonly string[]): Promise<string[]> {
  const { condition, parameters } = withinSweep({ only: null, except });
  const text = `select e.id::text as id from ${store.names.execution} e where ${DUE} and ${condition} order by run_at limit ${BATCH}`;
  return (await store.query(text, parameters)).map((row) => String(row["id"]));
}
