/** A worker incarnation's lease, from registration to the end. All times are the database's. */
import type { Store } from "./connection.ts";
import { queryRows } from "./queryable.ts";
import { type AttemptTerms, termsOf } from "./terms.ts";

/** Seconds a lease lasts from each beat. */
export const LEASE_SECONDS = 6;
/** Seconds a server in a process may act from each beat that brought a new tick. */
export const AUTHORITY_SECONDS = 8;
/** ... and one in an actor, so that its work goes on while no worker is there. */
export const ORPHAN_GRACE_SECONDS = 600;

export interface NewLease {
  readonly id: string;
  readonly name: string;
  readonly host: string;
  readonly pid: number;
  readonly version: string;
  readonly queues: readonly string[];
}

/** Opens the lease of a new incarnation, STARTING. */
export async function openLease(store: Store, lease: NewLease): Promise<void> {
  const text = `
    insert into ${store.names.lease} (id, name, host, pid, version, queues, expires_at)
    select id, name, host, pid, version, queues, now() + interval '${LEASE_SECONDS} seconds'
    from jsonb_to_record($1::text::jsonb) as r(id uuid, name text, host text, pid int, version text, queues text[])`;
  await store.query(text, [JSON.stringify(lease)]);
}

export interface BeatReport {
  /** False: the lease has run out, for good; everything that this incarnation held is no longer its own. */
  readonly renewed: boolean;
  /** Rows that name this holder, for each server that has any. */
  readonly held: readonly { readonly server: string; readonly rows: number }[];
  /** What it is to cancel. */
  readonly cancels: readonly { readonly id: string; readonly fence: number }[];
  /** There are servers that outlive their workers, of other incarnations, or others hold rows at ours: something may have to be adopted. */
  readonly hasOtherServers: boolean;
}

/** A server from which a tick has come since the last beat, and how long its authority lasts from one. */
export interface Ticked {
  readonly server: string;
  readonly seconds: number;
}

/**
 * Renews the lease, and the authority of each server that has ticked since the last beat; brings back the cancels of this holder at `servers`.
 * A lease that has run out is not revived.
 */
export async function beat(
  store: Store,
  holder: string,
  running: number,
  servers: readonly string[],
  ticked: readonly Ticked[],
): Promise<BeatReport> {
  const { names } = store;
  const text = `
    with renewed as (
      update ${names.lease} set heartbeat_at = now(), expires_at = now() + interval '${LEASE_SECONDS} seconds', running = $2::text::int
      where id = $1::text::uuid and state in ('STARTING', 'READY', 'DRAINING') and expires_at > now() returning id
    ), authorized as (
      update ${names.sidecar} s set authority_until = now() + make_interval(secs => t.seconds)
      from jsonb_to_recordset($4::text::jsonb) as t(server uuid, seconds float8)
      where s.id = t.server and s.ended_at is null and exists (select from renewed) returning s.id
    ), mine as (
      select e.id, e.fence, e.state, e.server from jsonb_array_elements_text($3::text::jsonb) as s(id)
        join ${names.execution} e on e.server = s.id::uuid and e.holder = $1::text::uuid
    )
    select to_json(a)::text as row from (
      select exists (select from renewed) as renewed, (select count(*) from authorized) as authorized,
        coalesce((select json_agg(json_build_object('id', id, 'fence', fence)) from mine where state = 'CANCELLING'), '[]'::json) as cancels,
        coalesce((select json_agg(h) from (select server, count(*)::int as rows from mine group by server) h), '[]'::json) as held,
        exists (select from ${names.sidecar} where outlives and ended_at is null and holder <> $1::text::uuid)
          or exists (select from jsonb_array_elements_text($3::text::jsonb) as s(id)
            join ${names.execution} e on e.server = s.id::uuid and e.holder <> $1::text::uuid) as "hasOtherServers") a`;
  const [row] = await queryRows<BeatReport>(store, text, [
    holder,
    String(running),
    JSON.stringify(servers),
    JSON.stringify(ticked),
  ]);
  return row ?? { renewed: false, held: [], cancels: [], hasOtherServers: false };
}

/** DRAINING: it claims no more and finishes what it holds. */
export async function drainLease(store: Store, holder: string): Promise<void> {
  await store.query(
    `update ${store.names.lease} set state = 'DRAINING' where id = $1::text::uuid and state in ('STARTING', 'READY')`,
    [holder],
  );
}

/** The incarnation is done: `error` says why, when it wasn't asked to. A server in its process has ended too; one that outlives it goes on. */
export async function closeLease(store: Store, holder: string, error: string | null): Promise<void> {
  const { names } = store;
  const text = `
    with ended as (
      update ${names.sidecar} set ended_at = coalesce(ended_at, now()) where holder = $1::text::uuid and not outlives
    )
    update ${names.lease} set state = 'STOPPED', stopped_at = now(), last_error = $2::text, running = 0
    where id = $1::text::uuid and state not in ('LOST', 'STOPPED')`;
  await store.query(text, [holder, error]);
}

/** The cancels of one holder at these servers. */
export async function readCancels(
  store: Store,
  holder: string,
  servers: readonly string[],
): Promise<BeatReport["cancels"]> {
  const text = `select to_json(t)::text as row from (
    select e.id, e.fence from jsonb_array_elements_text($2::text::jsonb) as s(id)
      join ${store.names.execution} e on e.server = s.id::uuid and e.holder = $1::text::uuid
    where e.state = 'CANCELLING') t`;
  return await queryRows<{ id: string; fence: number }>(store, text, [holder, JSON.stringify(servers)]);
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

export interface HeldRow {
  readonly id: string;
  readonly fence: number;
  readonly task: string;
  readonly terms: AttemptTerms;
}

/** What names this holder at this server and was claimed more than `seconds` ago. */
export async function readHeld(store: Store, holder: string, server: string, seconds: number): Promise<HeldRow[]> {
  const text = `select to_json(t)::text as row from (
    select id, fence, task, ${termsOf("e")}::json as terms from ${store.names.execution} e
    where server = $2::text::uuid and holder = $1::text::uuid and claimed_at < now() - make_interval(secs => $3::text::float8)) t`;
  return await queryRows<HeldRow>(store, text, [holder, server, String(seconds)]);
}
