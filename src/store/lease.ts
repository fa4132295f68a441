/** A worker incarnation's lease and its server's row, from registration to the end. All times are the database's. */
import { WorkerError } from "../errors.ts";
import type { Store } from "./connection.ts";
import { queryRows } from "./queryable.ts";

/** Seconds a lease lasts from each beat. */
export const LEASE_SECONDS = 6;
/** Seconds a server in a process may act from each beat that brought a new tick. */
export const AUTHORITY_SECONDS = 8;

export interface NewLease {
  readonly id: string;
  readonly name: string;
  readonly host: string;
  readonly pid: number;
  readonly version: string;
  readonly queues: readonly string[];
}

/** What is known of a server when it has said welcome. */
export interface NewServer {
  readonly id: string;
  readonly holder: string;
  readonly epoch: string;
  readonly endpoint: string;
  readonly build: string;
  readonly pid: number;
  readonly rayAddress: string | null;
  readonly rayVersion: string | null;
  readonly nodes: number | null;
  readonly cpus: number | null;
  readonly gpus: number | null;
}

/** Opens the lease of a new incarnation, STARTING. */
export async function openLease(store: Store, lease: NewLease): Promise<void> {
  const text = `
    insert into ${store.names.lease} (id, name, host, pid, version, queues, expires_at)
    select id, name, host, pid, version, queues, now() + interval '${LEASE_SECONDS} seconds'
    from jsonb_to_record($1::text::jsonb) as r(id uuid, name text, host text, pid int, version text, queues text[])`;
  await store.query(text, [JSON.stringify(lease)]);
}

/**
 * Registers the server and makes the lease READY: from here on the incarnation may claim.
 *
 * @throws WorkerError when the lease isn't STARTING any more.
 */
export async function openServer(
  store: Store,
  server: NewServer,
  slots: number,
  tasks: readonly string[],
): Promise<void> {
  const text = `
    with r as (
      select * from jsonb_to_record($1::text::jsonb) as r(id uuid, holder uuid, epoch text, endpoint text, build text, pid int,
        "rayAddress" text, "rayVersion" text, nodes int, cpus float8, gpus float8)
    ), ready as (
      update ${store.names.lease} set state = 'READY', slots = $2::text::int, tasks = array(select jsonb_array_elements_text($3::text::jsonb))
      where id = (select holder from r) and state = 'STARTING' returning id
    )
    insert into ${store.names.sidecar} (id, holder, epoch, endpoint, build, pid, ray_address, ray_version, nodes, cpus, gpus, authority_until)
    select r.id, holder, epoch, endpoint, build, pid, "rayAddress", "rayVersion", nodes, cpus, gpus, now() + interval '${AUTHORITY_SECONDS} seconds' from r join ready on ready.id = r.holder
    returning id`;
  const written = await store.query(text, [JSON.stringify(server), String(slots), JSON.stringify(tasks)]);
  if (written.length === 0) throw new WorkerError("The worker was stopped while it started.");
}

export interface BeatReport {
  /** False: the lease has run out, for good; everything that this incarnation held is no longer its own. */
  readonly renewed: boolean;
  /** Rows that name this holder. */
  readonly held: number;
  /** What it is to cancel. */
  readonly cancels: readonly { readonly id: string; readonly fence: number }[];
}

/**
 * Renews the lease, and the server's authority when a new tick of it has come since the last beat; brings back the cancels of this holder.
 * A lease that has run out is not revived.
 */
export async function beat(
  store: Store,
  holder: string,
  running: number,
  newTickOf: string | null,
): Promise<BeatReport> {
  const { names } = store;
  const text = `
    with renewed as (
      update ${names.lease} set heartbeat_at = now(), expires_at = now() + interval '${LEASE_SECONDS} seconds', running = $2::text::int
      where id = $1::text::uuid and state in ('STARTING', 'READY', 'DRAINING') and expires_at > now() returning id
    ), authorized as (
      update ${names.sidecar} set authority_until = now() + interval '${AUTHORITY_SECONDS} seconds'
      where id = $3::text::uuid and ended_at is null and exists (select from renewed) returning id
    )
    select to_json(a)::text as row from (
      select exists (select from renewed) as renewed, (select count(*) from authorized) as authorized, coalesce((
        select json_agg(json_build_object('id', id, 'fence', fence)) from ${names.execution}
        where holder = $1::text::uuid and state = 'CANCELLING'), '[]'::json) as cancels,
        (select count(*) from ${names.execution} where holder = $1::text::uuid) as held) a`;
  const [row] = await queryRows<BeatReport>(store, text, [holder, String(running), newTickOf]);
  return row ?? { renewed: false, held: 0, cancels: [] };
}

/** DRAINING: it claims no more and finishes what it holds. */
export async function drainLease(store: Store, holder: string): Promise<void> {
  await store.query(
    `update ${store.names.lease} set state = 'DRAINING' where id = $1::text::uuid and state in ('STARTING', 'READY')`,
    [holder],
  );
}

/** The incarnation's process is done: `error` says why, when it wasn't asked to. Its server has ended too. */
export async function closeLease(store: Store, holder: string, error: string | null): Promise<void> {
  const { names } = store;
  const text = `
    with ended as (
      update ${names.sidecar} set ended_at = coalesce(ended_at, now()) where holder = $1::text::uuid
    )
    update ${names.lease} set state = 'STOPPED', stopped_at = now(), last_error = $2::text, running = 0
    where id = $1::text::uuid and state not in ('LOST', 'STOPPED')`;
  await store.query(text, [holder, error]);
}

/** The cancels of one holder. */
export async function readCancels(store: Store, holder: string): Promise<BeatReport["cancels"]> {
  const text = `select to_json(t)::text as row from (
    select id, fence from ${store.names.execution} where holder = $1::text::uuid and state = 'CANCELLING') t`;
  return await queryRows<{ id: string; fence: number }>(store, text, [holder]);
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

/** What names this holder and was claimed more than `seconds` ago. */
export async function readHeld(
  store: Store,
  holder: string,
  seconds: number,
): Promise<{ readonly id: string; readonly fence: number }[]> {
  const text = `select to_json(t)::text as row from (
    select id, fence from ${store.names.execution}
    where holder = $1::text::uuid and claimed_at < now() - make_interval(secs => $2::text::float8)) t`;
  return await queryRows<{ id: string; fence: number }>(store, text, [holder, String(seconds)]);
}
