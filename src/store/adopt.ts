import type { Store } from "./connection.ts";
import { MARK } from "./mark.ts";
import type { Names } from "./names.ts";
import { queryRows } from "./queryable.ts";
import { type RequeuedRow, requeueSteps } from "./requeue.ts";
import { type AttemptTerms, termsOf } from "./terms.ts";

/** An attempt that a server says it holds. */
export interface HeldByServer {
  readonly id: string;
  readonly fence: number;
}

/**
 * What Postgres says of such an attempt. ADOPTED: it is this holder's now. ELSEWHERE: a live holder's, or a dead one's
 * while somebody has it locked. UNKNOWN: it has another fence, or is gone.
 */
export interface AdoptionRow extends HeldByServer {
  readonly verdict: "ADOPTED" | "ELSEWHERE" | "UNKNOWN";
  readonly task: string | null;
  readonly cancelling: boolean;
  /** Null unless ADOPTED. */
  readonly terms: AttemptTerms | null;
}

export interface Adoption {
  readonly holder: string;
  readonly worker: string;
  readonly server: string;
  /** What the server holds, asked for after the sessions of dead holders were ended there. */
  readonly inventory: readonly HeldByServer[];
}

/**
 * As a step: holders at a server who may not write any more. A list to be joined, and no `not exists` on the row itself: where another adopter has
 * the row locked, Postgres looks at it anew when that one is done, but not at what wasn't there for it before.
 */
const dead = ({ execution, lease }: Names, server: string) => `dead as materialized (
      select h.holder from (select distinct holder from ${execution} where server = ${server}::text::uuid) h
      where not exists (select from ${lease} l where l.id = h.holder and l.state in ('STARTING', 'READY', 'DRAINING') and l.expires_at > now())
    )`;

/**
 * Takes over what a server holds and dead incarnations held: one statement changes the holder and keeps the fence. Leases are never revived, so
 * whoever is dead for one adopter is dead for all; of two adopters each row has one. A row that somebody has locked is passed over, so that a transaction
 * that an application leaves open over one doesn't hold up the others: it is to be asked for again soon.
 */
export async function adopt(store: Store, { holder, worker, server, inventory }: Adoption): Promise<AdoptionRow[]> {
  const { names } = store;
  const text = `
    with inventory as (
      select * from jsonb_to_recordset($1::text::jsonb) as r(id uuid, fence bigint)
    ), ${dead(names, "$2")}, target as (
      select e.id from ${names.execution} e join inventory i on i.id = e.id and i.fence = e.fence join dead d on d.holder = e.holder
      where e.server = $2::text::uuid
        and exists (select from ${names.lease} where id = $3::text::uuid and state in ('STARTING', 'READY', 'DRAINING') and expires_at > now())
      order by e.id for no key update of e skip locked
    ), adopted as (
      update ${names.execution} e set holder = $3::text::uuid, worker = $4::text from target t where e.id = t.id and ${MARK} returning e.id
    ), leases as (
      update ${names.executionLease} x set holder = $3::text::uuid from adopted a where x.execution_id = a.id
    )
    select to_json(a)::text as row from (
      select i.id, i.fence, e.task, coalesce(e.state = 'CANCELLING', false) as cancelling, case when e.id is not null then ${termsOf("e")} end::json as terms,
        case when a.id is not null or e.holder = $3::text::uuid then 'ADOPTED' when e.id is not null then 'ELSEWHERE' else 'UNKNOWN' end as verdict
      from inventory i left join adopted a on a.id = i.id
        left join ${names.execution} e on e.id = i.id and e.fence = i.fence and e.server = $2::text::uuid) a`;
  return await queryRows<AdoptionRow>(store, text, [toRecords(inventory), server, holder, worker]);
}

function toRecords(inventory: readonly HeldByServer[]): string {
  return JSON.stringify(inventory.map(({ id, fence }) => ({ id, fence })));
}

/** Rows a statement. */
const BATCH = 500;

export interface MissingReport {
  readonly requeued: readonly RequeuedRow[];
  /** Rows that those incarnations still hold there: somebody has them locked. Come again soon. */
  readonly left: number;
}

/**
 * Requeues what these dead incarnations held at a server that doesn't have it: to be called after `adopt`. Their submits were lost, or never sent. What
 * the inventory has stays theirs, should `adopt` have passed over it: it runs.
 *
 * They have to be named, and have had no session with the server any more when its inventory was asked for: another, dead only since, may have
 * submitted meanwhile what that inventory doesn't have and the server runs.
 */
export async function requeueMissing(
  store: Store,
  server: string,
  holders: readonly string[],
  inventory: readonly HeldByServer[],
): Promise<MissingReport> {
  const { names } = store;
  const theirs = `from ${names.execution} e join dead d on d.holder = e.holder
      where e.server = $1::text::uuid and e.holder in (select h::uuid from jsonb_array_elements_text($2::text::jsonb) h)`;
  const text = `
    with ${dead(names, "$1")}, inventory as materialized (
      select * from jsonb_to_recordset($3::text::jsonb) as r(id uuid, fence bigint)
    ), target as (
      select e.id, e.state as before, jsonb_build_object(
        'code', 'ServerLost', 'type', 'ServerLost', 'bases', jsonb_build_array(),
        'message', 'worker ' || e.worker || ' is gone, and its server never had it', 'traceback', null) as error
      ${theirs} and not exists (select from inventory i where i.id = e.id and i.fence = e.fence)
      order by e.id limit ${BATCH} for no key update of e skip locked
    ), ${requeueSteps(names)}`;
  const named = [server, JSON.stringify(holders)];
  const records = toRecords(inventory);
  const requeued: RequeuedRow[] = [];
  for (let rows = BATCH; rows === BATCH; ) {
    const round = await queryRows<RequeuedRow>(store, text, [...named, records]);
    requeued.push(...round);
    rows = round.length;
  }
  const [left] = await store.query(`with ${dead(names, "$1")} select count(*)::int as n ${theirs}`, named);
  return { requeued, left: Number(left?.["n"] ?? 0) };
}
