import type { Store } from "./connection.ts";
import { queryRows } from "./queryable.ts";
import { type RequeuedRow, requeueSteps } from "./requeue.ts";
import { EVERYTHING, type Sweep, withinSweep } from "./sweep.ts";

/** Seconds for which an ended server is looked at again: a claim that began before its end may commit after a sweep has looked. */
const LATECOMERS = 60;
/** Rows a sweep requeues at once, so that no transaction grows long. So many: there may be more. */
export const RESCUE_BATCH = 500;
/** Servers a sweep looks at. One that has ended is looked at for a minute, and a worker that can't stay up begins another each few seconds. */
const SERVERS = 100;
/** Of a server whose executions may have to be requeued. */
const DEAD =
  "emptied_at is null and (ended_at < now() - interval '5 seconds' or authority_until < now() - interval '2 seconds')";

/**
 * Requeues what a dead server held. A server counts as dead 5 s after it is known to have ended, or 2 s after its authority ran out: by then it has
 * stopped its work by itself. Servers are taken with SKIP LOCKED, so that several workers may sweep at once.
 */
export async function rescue(store: Store, sweep: Sweep = EVERYTHING): Promise<RequeuedRow[]> {
  const { names } = store;
  const { condition, parameters } = withinSweep(sweep);
  const text = `
    with dead as (
      select id from ${names.sidecar} where ${DEAD}
      order by id limit ${SERVERS} for update skip locked
    ), target as (
      select e.id, e.state as before, jsonb_build_object(
        'code', 'ServerLost', 'type', 'ServerLost', 'bases', jsonb_build_array(),
        'message', 'the worker or sidecar that ran it is gone (worker ' || e.worker || ')', 'traceback', null) as error
      from dead d join ${names.execution} e on e.server = d.id where ${condition}
      order by e.id limit ${RESCUE_BATCH} for no key update of e skip locked
    ), emptied as (
      update ${names.sidecar} s set ended_at = coalesce(s.ended_at, now()),
        emptied_at = case when s.ended_at < now() - interval '${LATECOMERS} seconds'
          and not exists (select from ${names.execution} e where e.server = s.id) then now() end
      from dead d where s.id = d.id
    ), abandoned as (
      update ${names.lease} set state = 'LOST' where id in (
        select id from ${names.lease} where state in ('STARTING', 'READY', 'DRAINING') and expires_at < now() for no key update skip locked)
    ), ${requeueSteps(names)}`;
  return await queryRows<RequeuedRow>(store, text, parameters);
}

/** What the next round of `rescue` would take. */
export async function readRescuable(store: Store, except: readonly string[]): Promise<string[]> {
  const { names } = store;
  const { condition, parameters } = withinSweep({ only: null, except });
  const text = `select e.id::text as id from (select id from ${names.sidecar} where ${DEAD} order by id limit ${SERVERS}) d
    join ${names.execution} e on e.server = d.id where ${condition} order by e.id limit ${RESCUE_BATCH}`;
  return (await store.query(text, parameters)).map((row) => String(row["id"]));
}
