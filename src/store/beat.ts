import type { RayFacts } from "../worker-lease.ts";
import type { Store } from "./connection.ts";
import { LEASE_SECONDS } from "./lease.ts";
import { queryRows } from "./queryable.ts";

/** What a lease tells of its incarnation, as the beat writes it down. */
export interface LeaseFacts {
  /** Attempts that it holds, at whichever server, by phase. */
  readonly submitted: number;
  readonly pending: number;
  readonly running: number;
  /** Null before it is READY: what was said stays. */
  readonly slots: number | null;
  /** Write-backs of its own that lost to a newer fence or holder. */
  readonly refused: number;
  /** The server that it submits to. */
  readonly server: string | null;
  readonly sidecarPid: number | null;
  readonly accepting: boolean | null;
  readonly ray: RayFacts | null;
  /** Null: nothing new. */
  readonly trouble: { readonly message: string; readonly ageSeconds: number } | null;
}

export interface BeatReport {
  /** False: the lease has run out, for good; everything that this incarnation held is no longer its own. */
  readonly renewed: boolean;
  /** Of the servers that have ticked, those whose authority is renewed: one that counts as ended gets none any more. */
  readonly authorized: readonly string[];
  /** It is to sweep for all. */
  readonly leads: boolean;
  /** Somebody asked it to claim no more; the lease is DRAINING by now. */
  readonly drainRequested: boolean;
  /** Rows that name this holder, for each server that has any. */
  readonly held: readonly { readonly server: string; readonly rows: number }[];
  /** What it is to cancel. */
  readonly cancels: readonly AttemptKey[];
  /** What should have begun by now, as far as Postgres knows: it is to be withdrawn if it hasn't. */
  readonly overdue: readonly AttemptKey[];
  /** There are servers that outlive their workers, of other incarnations, or others hold rows at ours: something may have to be adopted. */
  readonly hasOtherServers: boolean;
}

export interface AttemptKey {
  readonly id: string;
  readonly fence: number;
}

/** A server from which a tick has come since the last beat, and how long its authority lasts from one. */
export interface Ticked {
  readonly server: string;
  readonly seconds: number;
}

const NOT_RENEWED: BeatReport = {
  renewed: false,
  authorized: [],
  leads: false,
  drainRequested: false,
  held: [],
  cancels: [],
  overdue: [],
  hasOtherServers: false,
};

/**
 * Renews the lease, and the authority of each server that has ticked since the last beat; writes down what the lease tells, who leads and that it
 * drains; brings back what concerns this holder at `servers`. A lease that has run out is not revived.
 *
 * The leader is the first READY worker by id, among leases that hold, or else the first that drains, or that still starts: its Ray may never come up, and
 * deadlines are kept all the same. Two may take themselves for it for a beat.
 */
export async function beat(
  store: Store,
  holder: string,
  facts: LeaseFacts,
  servers: readonly string[],
  ticked: readonly Ticked[],
): Promise<BeatReport> {
  const { names } = store;
  const text = `
    with said as (
      select * from jsonb_to_record($2::text::jsonb) as r(submitted int, pending int, running int, slots int, refused bigint, server uuid,
        "sidecarPid" int, accepting boolean, ray jsonb, trouble jsonb)
    ), leader as (
      select id from ${names.lease} where state in ('READY', 'DRAINING', 'STARTING') and expires_at > now()
      order by state = 'STARTING', state = 'DRAINING' or drain_requested_at is not null, id limit 1
    ), renewed as (
      update ${names.lease} l set heartbeat_at = now(), expires_at = now() + interval '${LEASE_SECONDS} seconds',
        state = case when l.state = 'READY' and l.drain_requested_at is not null then 'DRAINING'::${names.workerState} else l.state end,
        leads = coalesce(l.id = (select id from leader), false), submitted = s.submitted, pending = s.pending, running = s.running,
        slots = coalesce(s.slots, l.slots), refused = s.refused, server = s.server, sidecar_pid = s."sidecarPid", accepting = s.accepting, ray = nullif(s.ray, 'null'),
        last_error = coalesce(s.trouble->>'message', l.last_error),
        last_error_at = coalesce(now() - make_interval(secs => (s.trouble->>'ageSeconds')::float8), l.last_error_at)
      from said s where l.id = $1::text::uuid and l.state in ('STARTING', 'READY', 'DRAINING') and l.expires_at > now()
      returning l.leads, l.drain_requested_at is not null as drains
    ), ticked as (
      select s.id, t.seconds from ${names.sidecar} s join jsonb_to_recordset($4::text::jsonb) as t(server uuid, seconds float8) on t.server = s.id
      where s.ended_at is null and exists (select from renewed) order by s.id for no key update of s
    ), authorized as (
      update ${names.sidecar} s set authority_until = now() + make_interval(secs => t.seconds) from ticked t where s.id = t.id returning s.id
    ), mine as (
      select e.id, e.fence, e.state, e.server, e.expires_at from jsonb_array_elements_text($3::text::jsonb) as s(id)
        join ${names.execution} e on e.server = s.id::uuid and e.holder = $1::text::uuid
    )
    select to_json(a)::text as row from (
      select exists (select from renewed) as renewed, coalesce((select json_agg(id) from authorized), '[]'::json) as authorized,
        coalesce((select leads from renewed), false) as leads, coalesce((select drains from renewed), false) as "drainRequested",
        ${keysOf("state = 'CANCELLING'")} as cancels, ${keysOf("state = 'RUNNING' and expires_at <= now()")} as overdue,
        coalesce((select json_agg(h) from (select server, count(*)::int as rows from mine group by server) h), '[]'::json) as held,
        exists (select from ${names.sidecar} where outlives and ended_at is null and holder <> $1::text::uuid)
          or exists (select from jsonb_array_elements_text($3::text::jsonb) as s(id)
            join ${names.execution} e on e.server = s.id::uuid and e.holder <> $1::text::uuid) as "hasOtherServers") a`;
  const [row] = await queryRows<BeatReport>(store, text, [
    holder,
    JSON.stringify({ ...facts, trouble: withoutNul(facts.trouble) }),
    JSON.stringify(servers),
    JSON.stringify(ticked),
  ]);
  return row ?? NOT_RENEWED;
}

const keysOf = (condition: string) =>
  `coalesce((select json_agg(json_build_object('id', id, 'fence', fence)) from mine where ${condition}), '[]'::json)`;

/** A message that Postgres can't take must not cost the lease. */
function withoutNul(trouble: LeaseFacts["trouble"]): LeaseFacts["trouble"] {
  if (trouble === null) return null;
  return { ...trouble, message: trouble.message.replaceAll("\0", "\\0").toWellFormed() };
}
