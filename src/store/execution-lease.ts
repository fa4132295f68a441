/** Lease rows of executions: phase, place and progress of what is held for longer than a beat. */
import type { AttemptPhase, Progress } from "../attempt.ts";
import type { Store } from "./connection.ts";
import { MARK } from "./mark.ts";

/** An attempt that goes on, as its holder knows it. */
export interface NotedAttempt {
  readonly id: string;
  readonly fence: number;
  readonly phase: AttemptPhase;
  /** False: only its start is noted with its execution; it isn't held for long enough yet. */
  readonly isLeased: boolean;
  /** Where it runs; null where it isn't known to have begun. */
  readonly place: AttemptPlace | null;
  readonly progress: Progress | null;
}

export interface AttemptPlace {
  readonly rayTaskId: string | null;
  readonly nodeId: string | null;
  readonly workerId: string | null;
  readonly pid: number | null;
  /** Since its start. */
  readonly ageSeconds: number;
}

/** Most left-over rows that are removed at once. */
const BATCH = 500;

/**
 * Writes down what is held: a lease row for each, and with the execution when and where it began, once. From then on it has no deadline any more.
 * Fenced by fence and holder, in id order; answers the ids of those that are still this holder's.
 */
export async function noteAttempts(store: Store, holder: string, noted: readonly NotedAttempt[]): Promise<Set<string>> {
  const { names } = store;
  const kept = (column: string) =>
    `${column} = coalesce(excluded.${column}, case when x.fence = excluded.fence then x.${column} end)`;
  const text = `
    with incoming as (
      select * from jsonb_to_recordset($1::text::jsonb) as r(id uuid, fence bigint, phase text, leased boolean,
        ray_task_id text, node_id text, worker_id text, pid int, age float8, current float8, total float8, message text)
    ), locked as (
      select e.id, e.fence, e.server, e.started_at from ${names.execution} e join incoming r on e.id = r.id and e.fence = r.fence and e.holder = $2::text::uuid
      order by e.id for no key update of e
    ), begun as (
      update ${names.execution} e set started_at = now() - make_interval(secs => r.age), expires_at = null,
        ray_task_id = r.ray_task_id, ray_node_id = r.node_id, ray_worker_id = r.worker_id, pid = r.pid
      from incoming r join locked l on l.id = r.id and l.fence = r.fence
      where e.id = r.id and l.started_at is null and r.age is not null and ${MARK} returning e.id
    ), written as (
      insert into ${names.executionLease} as x (execution_id, fence, holder, server, phase, ray_task_id, ray_node_id, ray_worker_id, pid,
        progress_current, progress_total, progress_message, started_at)
      select r.id, r.fence, $2::text::uuid, l.server, r.phase::${names.phase}, r.ray_task_id, r.node_id, r.worker_id, r.pid,
        r.current, r.total, r.message, now() - make_interval(secs => r.age)
      from incoming r join locked l on l.id = r.id and l.fence = r.fence where r.leased order by r.id
      on conflict (execution_id) do update set fence = excluded.fence, holder = excluded.holder, server = excluded.server, phase = excluded.phase,
        ${["ray_task_id", "ray_node_id", "ray_worker_id", "pid", "started_at"].map(kept).join(", ")},
        ${["progress_current", "progress_total", "progress_message"].map(kept).join(", ")}, updated_at = now()
      returning execution_id
    )
    select l.id::text as id from locked l, (select count(*) from begun) b, (select count(*) from written) w`;
  const rows = await store.query(text, [JSON.stringify(noted.map(toRecord)), holder]);
  return new Set(rows.map((row) => String(row["id"])));
}

/**
 * Removes rows that no held execution has: their attempt ended while they were being written, or somebody deleted it. Answers how many.
 *
 * The fence is compared again in the delete: an attempt that was claimed meanwhile keeps the row that it got.
 */
export async function cleanExecutionLeases(store: Store): Promise<number> {
  const { names } = store;
  const text = `
    with stale as (
      select x.execution_id, x.fence from ${names.executionLease} x left join ${names.execution} e on e.id = x.execution_id and e.fence = x.fence
      where e.id is null order by x.execution_id limit ${BATCH} for update of x skip locked
    ), removed as (
      delete from ${names.executionLease} x using stale s where x.execution_id = s.execution_id and x.fence = s.fence returning x.execution_id
    )
    select count(*)::int as n from removed`;
  const [row] = await store.query(text, []);
  return Number(row?.["n"] ?? 0);
}

function toRecord({ id, fence, phase, isLeased, place, progress }: NotedAttempt): Record<string, unknown> {
  return {
    id,
    fence,
    phase,
    leased: isLeased,
    ray_task_id: place?.rayTaskId ?? null,
    node_id: place?.nodeId ?? null,
    worker_id: place?.workerId ?? null,
    pid: place?.pid ?? null,
    age: place?.ageSeconds ?? null,
    current: progress?.current ?? null,
    total: progress?.total ?? null,
    // jsonb refuses NUL, and no message is worth the others' rows.
    message: progress?.message?.replaceAll("\0", "\\0").toWellFormed() ?? null,
  };
}
