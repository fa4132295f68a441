/** Servers: one row each, from the first worker that met it to its end. All times are the database's. */
import { WorkerError } from "../errors.ts";
import type { Store } from "./connection.ts";
import { queryRows } from "./queryable.ts";

/** What is known of a server when it has said welcome. */
export interface NewServer {
  readonly id: string;
  readonly holder: string;
  readonly worker: string;
  readonly epoch: string;
  readonly endpoint: string;
  readonly build: string;
  readonly pid: number;
  /** It outlives its worker's process: in an actor, or started by hand. */
  readonly outlives: boolean;
  /** Of a server in an actor. */
  readonly actorName: string | null;
  readonly namespace: string | null;
  readonly generation: string | null;
  readonly authoritySeconds: number;
  readonly rayAddress: string | null;
  readonly rayVersion: string | null;
  readonly nodes: number | null;
  readonly cpus: number | null;
  readonly gpus: number | null;
}

/**
 * Registers the server, or takes over the row of the one that has this epoch, and makes the lease READY: from here on the incarnation may claim. One that was
 * asked to drain becomes DRAINING instead. Answers the server's id.
 *
 * @throws WorkerError when the lease has run out or isn't STARTING any more, or the server is known to have ended.
 */
export async function openServer(
  store: Store,
  server: NewServer,
  slots: number,
  tasks: readonly string[],
): Promise<string> {
  const text = `
    with r as (
      select * from jsonb_to_record($1::text::jsonb) as r(id uuid, holder uuid, worker text, epoch text, endpoint text, build text, pid int,
        outlives boolean, "actorName" text, namespace text, generation text, "authoritySeconds" float8, "rayAddress" text, "rayVersion" text, nodes int, cpus float8, gpus float8)
    ), ready as (
      update ${store.names.lease} set state = case when drain_requested_at is null then 'READY' else 'DRAINING' end::${store.names.workerState},
        slots = $2::text::int, last_error = null, last_error_at = null, tasks = array(select jsonb_array_elements_text($3::text::jsonb))
      where id = (select holder from r) and state = 'STARTING' and expires_at > now() returning id
    )
    insert into ${store.names.sidecar} as s (id, holder, worker, epoch, endpoint, build, pid, outlives, actor_name, namespace, generation,
      ray_address, ray_version, nodes, cpus, gpus, authority_until)
    select r.id, holder, worker, epoch, endpoint, build, pid, outlives, "actorName", namespace, generation,
      "rayAddress", "rayVersion", nodes, cpus, gpus, now() + make_interval(secs => "authoritySeconds") from r join ready on ready.id = r.holder
    on conflict (epoch) do update set holder = excluded.holder, worker = excluded.worker, endpoint = excluded.endpoint,
      nodes = excluded.nodes, cpus = excluded.cpus, gpus = excluded.gpus, authority_until = excluded.authority_until
      where s.ended_at is null
    returning s.id::text as id`;
  const [row] = await store.query(text, [JSON.stringify(server), String(slots), JSON.stringify(tasks)]);
  if (row === undefined)
    throw new WorkerError(
      "The worker was stopped while it started, its lease ran out, or its server was declared dead meanwhile.",
    );
  return String(row["id"]);
}

/** It is known to have ended: what it had is requeued 5 s later. */
export async function endServer(store: Store, server: string): Promise<void> {
  await store.query(
    `update ${store.names.sidecar} set ended_at = coalesce(ended_at, now()) where id = $1::text::uuid`,
    [server],
  );
}

/** The incarnation that a server last began to submit for. */
export interface ServerHolder {
  readonly id: string;
  readonly name: string;
  readonly host: string;
  readonly pid: number;
  /** Its lease is good: it may still write. */
  readonly alive: boolean;
}

/** Null: no worker of this database has met the server of this epoch. */
export async function readServerHolder(store: Store, epoch: string): Promise<ServerHolder | null> {
  const text = `select to_json(t)::text as row from (
    select l.id, l.name, l.host, l.pid, l.state in ('STARTING', 'READY', 'DRAINING') and l.expires_at > now() as alive
    from ${store.names.sidecar} s join ${store.names.lease} l on l.id = s.holder where s.epoch = $1::text) t`;
  const [row] = await queryRows<ServerHolder>(store, text, [epoch]);
  return row ?? null;
}

/** A server that lives on though incarnations that had something to do with it are dead. */
export interface OrphanedServer {
  readonly id: string;
  readonly worker: string;
  readonly epoch: string;
  readonly endpoint: string;
  readonly actorName: string | null;
  readonly namespace: string | null;
  readonly generation: string | null;
  /** The cluster that its actor is on. */
  readonly rayAddress: string | null;
  /** Incarnations whose lease has run out or was closed: the one that submitted to it, and those that hold executions there. */
  readonly deadHolders: readonly string[];
  /** They hold executions there, or whoever asks does. */
  readonly holdsRows: boolean;
}

/**
 * Servers that may still act, at which dead incarnations hold executions; those that a dead incarnation of `worker` submitted to, empty or not; and
 * those of others at which `holder` itself holds some: it needs a session there to have their results. Leases that have run out are marked LOST. What a server holds whose authority has ended is rescued instead.
 */
export async function findOrphanedServers(store: Store, worker: string, holder: string): Promise<OrphanedServer[]> {
  const { names } = store;
  const text = `
    with lost as (
      update ${names.lease} set state = 'LOST' where id in (
        select id from ${names.lease} where state in ('STARTING', 'READY', 'DRAINING') and expires_at < now() for no key update skip locked)
    ), alive as (
      select id from ${names.lease} where state in ('STARTING', 'READY', 'DRAINING') and expires_at > now()
    ), holders as (
      select s.id as server, h.holder, h.has_rows, h.has_rows or s.worker = $1::text as matters, h.holder = $2::text::uuid as own from ${names.sidecar} s cross join lateral (
        select holder, bool_or(has_rows) as has_rows from (
          select s.holder, false as has_rows union all
          select e.holder, true from ${names.execution} e where e.server = s.id group by e.holder) u group by holder
      ) h
      where s.outlives and s.ended_at is null and s.authority_until > now() - interval '2 seconds'
        and (not exists (select from alive a where a.id = h.holder) or h.holder = $2::text::uuid and s.holder <> $2::text::uuid)
    )
    select to_json(o)::text as row from (
      select s.id, s.worker, s.epoch, s.endpoint, s.actor_name as "actorName", s.namespace, s.generation, s.ray_address as "rayAddress",
        coalesce((select json_agg(holder) from holders h where h.server = s.id and not own), '[]'::json) as "deadHolders",
        (select bool_or(has_rows) from holders h where h.server = s.id) as "holdsRows"
      from ${names.sidecar} s where s.id in (select server from holders where matters) order by s.id limit 20) o`;
  return await queryRows<OrphanedServer>(store, text, [worker, holder]);
}
