import type { ExecutionRow, RayTaskAttempt, TaskState, TaskWorkerLease } from "../execution.ts";
import { TASK_STATES } from "../execution.ts";
import type { Store } from "./connection.ts";
import { queryRows } from "./queryable.ts";

/** The columns of an `ExecutionRow`; payloads as text, so that nothing is parsed that nobody asks for. */
const COLUMNS = `id, seq, task, queue, state, priority, attempt, max_attempts, infrastructure_losses,
  input::text as input_json, encode(input_bytes, 'base64') as input_base64, result::text as result_json, encode(result_bytes, 'base64') as result_base64,
  retry, timeout_seconds, expires_at, error, tags, metadata, wait_reason, worker, ray_task_id, ray_node_id, ray_worker_id, pid,
  created_at, run_at, claimed_at, started_at, finished_at, cancel_requested_at, cancel_reason`;

export interface ListFilter {
  readonly state?: TaskState | readonly TaskState[];
  readonly queue?: string;
  readonly task?: string;
  /** Most rows, 1-200; default 50. */
  readonly limit?: number;
  /** Only what is older than this execution: the last id of the page before. */
  readonly after?: string;
}

/** The executions with these ids, in no order; a missing one is left out. */
export async function readExecutions(store: Store, ids: readonly string[]): Promise<ExecutionRow[]> {
  const text = `select to_json(t)::text as row from (
    select ${COLUMNS} from ${store.names.execution} where id in (select x::uuid from jsonb_array_elements_text($1::text::jsonb) x)) t`;
  return await queryRows<ExecutionRow>(store, text, [JSON.stringify(ids)]);
}

/** Those of `ids` that have ended. */
export async function readFinished(store: Store, ids: readonly string[]): Promise<ExecutionRow[]> {
  const text = `select to_json(t)::text as row from (
    select ${COLUMNS} from ${store.names.execution}
    where id in (select x::uuid from jsonb_array_elements_text($1::text::jsonb) x) and finished_at is not null) t`;
  return await queryRows<ExecutionRow>(store, text, [JSON.stringify(ids)]);
}

/** Which of `ids` are there at all. */
export async function readExisting(store: Store, ids: readonly string[]): Promise<string[]> {
  const text = `select to_json(t)::text as row from (
    select id from ${store.names.execution} where id in (select x::uuid from jsonb_array_elements_text($1::text::jsonb) x)) t`;
  return (await queryRows<{ id: string }>(store, text, [JSON.stringify(ids)])).map((row) => row.id);
}

/** Newest first. */
export async function list(store: Store, filter: ListFilter): Promise<ExecutionRow[]> {
  const states = filter.state === undefined ? null : [filter.state].flat();
  const text = `select to_json(t)::text as row from (
    select ${COLUMNS} from ${store.names.execution} e
    where ($1::text is null or e.state::text in (select jsonb_array_elements_text($1::text::jsonb)))
      and ($2::text is null or e.queue = $2::text)
      and ($3::text is null or e.task = $3::text)
      and ($4::text is null or e.seq < (select seq from ${store.names.execution} where id = $4::text::uuid))
    order by e.seq desc limit $5::text::int) t`;
  return await queryRows<ExecutionRow>(store, text, [
    states === null ? null : JSON.stringify(states),
    filter.queue ?? null,
    filter.task ?? null,
    filter.after ?? null,
    String(filter.limit ?? 50),
  ]);
}

/** How many executions are in each state, every state there. */
export async function stats(store: Store, queue: string | null): Promise<Record<TaskState, number>> {
  const text = `select to_json(t)::text as row from (
    select state, count(*) as count from ${store.names.execution} where $1::text is null or queue = $1::text group by state) t`;
  const counts = Object.fromEntries(TASK_STATES.map((state) => [state, 0])) as Record<TaskState, number>;
  for (const row of await queryRows<{ state: TaskState; count: number }>(store, text, [queue]))
    counts[row.state] = row.count;
  return counts;
}

/** Every attempt of one execution, oldest first. */
export async function readAttempts(store: Store, id: string): Promise<RayTaskAttempt[]> {
  const text = `select to_json(t)::text as row from (
    select fence, attempt, outcome, worker, error, ray_task_id as "rayTaskId", ray_node_id as "rayNodeId", ray_worker_id as "rayWorkerId", pid,
      claimed_at as "claimedAt", started_at as "startedAt", finished_at as "finishedAt"
    from ${store.names.attempt} where execution_id = $1::text::uuid order by fence) t`;
  const rows = await queryRows<Record<keyof RayTaskAttempt, never>>(store, text, [id]);
  return rows.map((row) => withDates<RayTaskAttempt>(row, ["claimedAt", "startedAt", "finishedAt"]));
}

/** Worker incarnations that are alive, or ended in the last hour; newest first. */
export async function readWorkers(store: Store): Promise<TaskWorkerLease[]> {
  const text = `select to_json(t)::text as row from (
    select id, name, host, pid, version, queues, tasks, slots, running,
      case when state in ('STARTING', 'READY', 'DRAINING') and expires_at < now() then 'LOST' else state::text end as state, last_error as "lastError",
      started_at as "startedAt", heartbeat_at as "heartbeatAt", expires_at as "expiresAt", stopped_at as "stoppedAt"
    from ${store.names.lease} where heartbeat_at > now() - interval '1 hour' order by started_at desc) t`;
  const rows = await queryRows<Record<keyof TaskWorkerLease, never>>(store, text, []);
  return rows.map((row) => withDates<TaskWorkerLease>(row, ["startedAt", "heartbeatAt", "expiresAt", "stoppedAt"]));
}

function withDates<T>(row: object, columns: readonly string[]): T {
  const dated = columns.map((column) => {
    const text: unknown = Reflect.get(row, column);
    return [column, typeof text === "string" ? new Date(text) : null];
  });
  return { ...row, ...Object.fromEntries(dated) } as T;
}
