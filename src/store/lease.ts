/** A worker incarnation's lease, from registration to the end. All times are the database's. */
import type { TaskWorkerLease } from "../worker-lease.ts";
import type { AttemptKey } from "./beat.ts";
import type { Store } from "./connection.ts";
import { queryRows } from "./queryable.ts";
import { type AttemptTerms, termsOf } from "./terms.ts";

/** Seconds a lease lasts from each beat. */
export const LEASE_SECONDS = 6;
/** Seconds a server in a process may act from each beat that brought a new tick. */
export const AUTHORITY_SECONDS = 8;
/** ... and one in an actor, so that its work goes on while no worker is there. */
export const ORPHAN_GRACE_SECONDS = 600;

export interface NewLease extends Pick<TaskWorkerLease, "id" | "name" | "host" | "pid" | "version" | "queues"> {
  /** An earlier incarnation of its process was asked to drain. */
  readonly drainRequested?: boolean;
}

/** Opens the lease of a new incarnation, STARTING. */
export async function openLease(store: Store, lease: NewLease): Promise<void> {
  const text = `
    insert into ${store.names.lease} (id, name, host, pid, version, queues, drain_requested_at, expires_at)
    select id, name, host, pid, version, queues, case when "drainRequested" then now() end, now() + interval '${LEASE_SECONDS} seconds'
    from jsonb_to_record($1::text::jsonb) as r(id uuid, name text, host text, pid int, version text, queues text[], "drainRequested" boolean)`;
  await store.query(text, [JSON.stringify(lease)]);
}

/** DRAINING: it claims no more and finishes what it holds. */
export async function drainLease(store: Store, holder: string): Promise<void> {
  await store.query(
    `update ${store.names.lease} set state = 'DRAINING' where id = $1::text::uuid and state in ('STARTING', 'READY')`,
    [holder],
  );
}

/**
 * The incarnation is done: `error` says why, when it wasn't asked to. A server in its process has ended too; one that outlives it goes on. What the lease
 * said last of server and Ray stays, for whoever looks for the reason; it holds nothing any more.
 */
export async function closeLease(store: Store, holder: string, error: string | null): Promise<void> {
  const { names } = store;
  const text = `
    with ended as (
      update ${names.sidecar} set ended_at = coalesce(ended_at, now()) where id in (
        select id from ${names.sidecar} where holder = $1::text::uuid and not outlives order by id for no key update)
    )
    update ${names.lease} set state = 'STOPPED', stopped_at = now(), leads = false, submitted = 0, pending = 0, running = 0, accepting = null,
      last_error = coalesce($2::text, last_error), last_error_at = case when $2::text is null then last_error_at else now() end
    where id = $1::text::uuid and state not in ('LOST', 'STOPPED')`;
  await store.query(text, [holder, error]);
}

/** The cancels of one holder at these servers. */
export async function readCancels(store: Store, holder: string, servers: readonly string[]): Promise<AttemptKey[]> {
  const text = `select to_json(t)::text as row from (
    select e.id, e.fence from jsonb_array_elements_text($2::text::jsonb) as s(id)
      join ${store.names.execution} e on e.server = s.id::uuid and e.holder = $1::text::uuid
    where e.state = 'CANCELLING') t`;
  return await queryRows<AttemptKey>(store, text, [holder, JSON.stringify(servers)]);
}

export interface NameHolder {
  readonly id: string;
  readonly host: string;
  readonly pid: number;
  readonly heartbeat_at: string;
}

/** Incarnations of a name whose lease has neither run out nor been closed. */
export async function readNameHolders(store: Store, name: string): Promise<NameHolder[]> {
  const text = `select to_json(t)::text as row from (
    select id, host, pid, heartbeat_at from ${store.names.lease}
    where name = $1::text and state in ('STARTING', 'READY', 'DRAINING') and expires_at > now()) t`;
  return await queryRows<NameHolder>(store, text, [name]);
}

/** Incarnations of a name that may still have a session somewhere though their lease has run out or was closed: newest first. */
export async function readDeadIncarnations(store: Store, name: string): Promise<string[]> {
  const text = `select id::text as id from ${store.names.lease}
    where name = $1::text and heartbeat_at > now() - interval '1 hour'
      and not (state in ('STARTING', 'READY', 'DRAINING') and expires_at > now())
    order by heartbeat_at desc limit 100`;
  const rows = await store.query(text, [name]);
  return rows.map((row) => String(row["id"]));
}

/** Of what a write-back didn't accept, what is this holder's all the same: somebody has the row locked. */
export async function readStillOwn(
  store: Store,
  holder: string,
  attempts: readonly { readonly id: string; readonly fence: number }[],
): Promise<Set<string>> {
  const text = `
    select e.id::text as id from jsonb_to_recordset($1::text::jsonb) as r(id uuid, fence bigint)
      join ${store.names.execution} e on e.id = r.id and e.fence = r.fence and e.holder = $2::text::uuid`;
  const rows = await store.query(text, [JSON.stringify(attempts.map(({ id, fence }) => ({ id, fence }))), holder]);
  return new Set(rows.map((row) => String(row["id"])));
}

export interface HeldRow {
  readonly id: string;
  readonly fence: number;
  readonly task: string;
  readonly terms: AttemptTerms;
  /** A cancel of the user's is to be passed on. */
  readonly cancelling: boolean;
  /** It can't be told from the row that its submit was never sent: its start is noted, it has been held for a while, or another claimed it. */
  readonly mayHaveBegun: boolean;
}

/** Of these attempts, those that are this holder's, by what their rows say. */
export async function readOwn(
  store: Store,
  holder: string,
  attempts: readonly AttemptKey[],
): Promise<Omit<HeldRow, "mayHaveBegun">[]> {
  const text = `select to_json(t)::text as row from (
    select e.id, e.fence, e.task, e.state = 'CANCELLING' as cancelling, ${termsOf("e")}::json as terms
    from jsonb_to_recordset($1::text::jsonb) as r(id uuid, fence bigint)
      join ${store.names.execution} e on e.id = r.id and e.fence = r.fence and e.holder = $2::text::uuid) t`;
  const keys = JSON.stringify(attempts.map(({ id, fence }) => ({ id, fence })));
  return await queryRows<Omit<HeldRow, "mayHaveBegun">>(store, text, [keys, holder]);
}

/** What names this holder at this server and was claimed more than `seconds` ago. */
export async function readHeld(store: Store, holder: string, server: string, seconds: number): Promise<HeldRow[]> {
  const { execution, executionLease, lease } = store.names;
  const text = `select to_json(t)::text as row from (
    select e.id, e.fence, e.task, e.state = 'CANCELLING' as cancelling, ${termsOf("e")}::json as terms,
      e.started_at is not null or e.claimed_at < l.started_at or coalesce(e.server <> l.server, false)
        or exists (select from ${executionLease} x where x.execution_id = e.id and x.fence = e.fence) as "mayHaveBegun"
    from ${execution} e join ${lease} l on l.id = e.holder
    where e.server = $2::text::uuid and e.holder = $1::text::uuid and e.claimed_at < now() - make_interval(secs => $3::text::float8)) t`;
  return await queryRows<HeldRow>(store, text, [holder, server, String(seconds)]);
}
