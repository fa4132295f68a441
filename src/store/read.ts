import type { RayTaskAttempt } from "../attempt.ts";
import { whyEnded } from "../error-line.ts";
import type { ExecutionRow } from "../execution-row.ts";
import type { TaskWorkerLease } from "../worker-lease.ts";
import type { Store } from "./connection.ts";
import type { Names } from "./names.ts";
import { queryRows } from "./queryable.ts";
import { pauseReasonOf } from "./queues.ts";

/** The columns of an `ExecutionRow`; payloads as text, so that nothing is parsed that nobody asks for. */
const columns = (names: Names) => `id, seq, task, queue, state, priority, attempt, max_attempts, infrastructure_losses,
  input::text as input_json, encode(input_bytes, 'base64') as input_base64, result::text as result_json, encode(result_bytes, 'base64') as result_base64,
  retry, timeout_seconds, expires_at, error, tags, metadata, rerun_of,
  coalesce(${pauseReasonOf(names, "e")}, wait_reason) as wait_reason, worker, ray_task_id, ray_node_id, ray_worker_id, pid,
  created_at, run_at, claimed_at, started_at, finished_at, cancel_requested_at, cancel_reason`;

/** Whether `e` should have expired by now, where that can be written. */
const OVERDUE =
  "coalesce(e.state = 'QUEUED' and e.expires_at <= now() and current_setting('transaction_read_only') = 'off', false)";

/** ... and of its lease row. Of the row `e`. */
const beside = ({ executionLease }: Names) => `,
  case when e.holder is not null then (
    select json_build_object('phase', x.phase, 'progress', case when x.progress_current is not null then
      json_build_object('current', x.progress_current, 'total', x.progress_total, 'message', x.progress_message) end)
    from ${executionLease} x where x.execution_id = e.id and x.fence = e.fence) end as lease,
  ${OVERDUE} as overdue`;

/** The columns of an `ExecutionRow`, of the row `e`. */
export const executionColumns = (names: Names) => `${columns(names)}${beside(names)}`;

/** The executions with these ids, in no order; a missing one is left out. */
export async function readExecutions(store: Store, ids: readonly string[]): Promise<ExecutionRow[]> {
  const text = `select to_json(t)::text as row from (
    select ${executionColumns(store.names)} from ${store.names.execution} e where id in (select x::uuid from jsonb_array_elements_text($1::text::jsonb) x)) t`;
  return await queryRows<ExecutionRow>(store, text, [JSON.stringify(ids)]);
}

/** Those of `ids` that have ended. */
export async function readFinished(store: Store, ids: readonly string[]): Promise<ExecutionRow[]> {
  const text = `select to_json(t)::text as row from (
    select ${executionColumns(store.names)} from ${store.names.execution} e
    where id in (select x::uuid from jsonb_array_elements_text($1::text::jsonb) x) and finished_at is not null) t`;
  return await queryRows<ExecutionRow>(store, text, [JSON.stringify(ids)]);
}

export interface ExistingRow {
  readonly id: string;
  /** Queued beyond its deadline, and not expired yet. */
  readonly overdue: boolean;
  /** Seconds to its deadline, of one that is queued. */
  readonly expiresInSeconds: number | null;
}

/** Which of `ids` are there at all. */
export async function readExisting(store: Store, ids: readonly string[]): Promise<ExistingRow[]> {
  const text = `select to_json(t)::text as row from (
    select id, ${OVERDUE} as overdue,
      case when e.state = 'QUEUED' then extract(epoch from e.expires_at - now())::float8 end as "expiresInSeconds"
    from ${store.names.execution} e where id in (select x::uuid from jsonb_array_elements_text($1::text::jsonb) x)) t`;
  return await queryRows<ExistingRow>(store, text, [JSON.stringify(ids)]);
}

/** Every attempt of one execution, oldest first. */
export async function readAttempts(store: Store, id: string): Promise<RayTaskAttempt[]> {
  const text = `select to_json(t)::text as row from (
    select a.fence, a.attempt, a.outcome, a.worker, a.error, a.ray_task_id as "rayTaskId", a.ray_node_id as "rayNodeId",
      a.ray_worker_id as "rayWorkerId", a.pid, a.claimed_at as "claimedAt", a.started_at as "startedAt", a.finished_at as "finishedAt",
      ${secondsBetween("a.claimed_at", "a.started_at")} as "waitSeconds", ${secondsBetween("a.started_at", "a.finished_at")} as "runSeconds",
      e.cancel_reason as "cancelReason"
    from ${store.names.attempt} a join ${store.names.execution} e on e.id = a.execution_id
    where a.execution_id = $1::text::uuid order by a.fence) t`;
  const rows = await queryRows<Omit<RayTaskAttempt, "why"> & { readonly cancelReason: string | null }>(store, text, [
    id,
  ]);
  return rows.map(({ cancelReason, ...row }) => {
    const attempt = { ...row, why: whyEnded(row, cancelReason) };
    return withDates<RayTaskAttempt>(attempt, ["claimedAt", "startedAt", "finishedAt"]);
  });
}

const secondsBetween = (from: string, to: string) => `extract(epoch from ${to} - ${from})::float8`;

/** Worker incarnations that are alive, or ended in the last hour; newest first. */
export async function readWorkers(store: Store): Promise<TaskWorkerLease[]> {
  const isLive = "l.state in ('STARTING', 'READY', 'DRAINING')";
  const text = `select to_json(t)::text as row from (
    select l.id, l.name, l.host, l.pid, l.version, l.queues, l.tasks, case when ${isLive} and l.expires_at < now() then 'LOST' else l.state::text end as state,
      l.leads and ${isLive} and l.expires_at > now() as leads, l.slots, l.submitted, l.pending, l.running, l.refused, l.accepting, l.sidecar_pid as "sidecarPid",
      case when s.id is not null then json_build_object('id', s.id, 'epoch', s.epoch, 'pid', s.pid, 'build', s.build, 'endpoint', s.endpoint,
        'actorName', s.actor_name, 'generation', s.generation, 'isEnded', s.ended_at is not null) end as server,
      l.ray, l.last_error as "lastError", l.last_error_at as "lastErrorAt", l.drain_requested_at as "drainRequestedAt",
      l.started_at as "startedAt", l.heartbeat_at as "heartbeatAt", extract(epoch from now() - l.heartbeat_at)::float8 as "heartbeatAgeSeconds",
      l.expires_at as "expiresAt", l.stopped_at as "stoppedAt"
    from ${store.names.lease} l left join ${store.names.sidecar} s on s.id = l.server
    where l.heartbeat_at > now() - interval '1 hour' order by l.started_at desc) t`;
  const dates = ["lastErrorAt", "drainRequestedAt", "startedAt", "heartbeatAt", "expiresAt", "stoppedAt"];
  const rows = await queryRows<Record<keyof TaskWorkerLease, never>>(store, text, []);
  return rows.map((row) => withDates<TaskWorkerLease>(row, dates));
}

function withDates<T>(row: object, columns: readonly string[]): T {
  const dated = columns.map((column) => {
    const text: unknown = Reflect.get(row, column);
    return [column, typeof text === "string" ? new Date(text) : null];
  });
  return { ...row, ...Object.fromEntries(dated) } as T;
}
