import type { Store } from "./connection.ts";
import { MARK, unmarking } from "./mark.ts";
import { queryRows } from "./queryable.ts";
import { EVERYTHING, type Sweep, withinSweep } from "./sweep.ts";
import { tellFinished } from "./tell.ts";

/** Rows a round. */
export const EXPIRE_BATCH = 500;

export interface ExpireReport {
  /** Executions that became EXPIRED. */
  readonly expired: number;
  /** Seconds until the next deadline, by the database's clock; 0 when more are overdue, null when there is none. */
  readonly nextInSeconds: number | null;
}

/** A queued execution is overdue. Once an attempt of it has begun, it has no deadline any more. */
const OVERDUE = "state = 'QUEUED' and expires_at <= now()";

/** Makes what is queued and overdue EXPIRED, the longest overdue first; whoever waits for it is told. Runs in a caller's transaction too. */
export async function expire(store: Store, sweep: Sweep = EVERYTHING): Promise<ExpireReport> {
  const { names } = store;
  const { condition, parameters } = withinSweep(sweep);
  const text = `
    with overdue as (
      select e.id from ${names.execution} e where ${OVERDUE} and ${condition}
      order by expires_at limit ${EXPIRE_BATCH} for no key update skip locked
    ), changed as (
      update ${names.execution} e set state = 'EXPIRED', finished_at = now(), wait_reason = null, unknown_since = null
      from overdue o where e.id = o.id and ${MARK} returning e.id
    ), told as (
      ${tellFinished(names, "changed")}
    )
    ${unmarking(
      "changed",
      `select to_json(a)::text as row from (
      select (select count(*)::int from changed) as expired, (select count(*) from told) as told,
        extract(epoch from (select min(expires_at) from ${names.execution} where state = 'QUEUED' and expires_at > now()) - now())::float8
          as "nextInSeconds") a`,
    )}`;
  const [row] = await queryRows<ExpireReport>(store, text, parameters);
  if (row === undefined) return { expired: 0, nextInSeconds: null };
  return { expired: row.expired, nextInSeconds: row.expired === EXPIRE_BATCH ? 0 : row.nextInSeconds };
}

/** What the next round of `expire` would take. */
export async function readOverdue(store: Store, except: readonly string[]): Promise<string[]> {
  const { condition, parameters } = withinSweep({ only: null, except });
  const text = `select e.id::text as id from ${store.names.execution} e where ${OVERDUE} and ${condition}
    order by expires_at limit ${EXPIRE_BATCH}`;
  return (await store.query(text, parameters)).map((row) => String(row["id"]));
}
