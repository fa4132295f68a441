import type { EncodedPayload } from "../payload.ts";
import type { PartialRetry } from "../retry-policy.ts";
import type { Store } from "./connection.ts";
import { MARK, unmarking } from "./mark.ts";
import { queryRows } from "./queryable.ts";
import { UNSETTLED } from "./terms.ts";

/** An execution to write. */
export interface NewExecution {
  readonly id: string;
  readonly task: string;
  /** Null: the task's own, or "default". */
  readonly queue: string | null;
  readonly priority: number;
  /** Absolute, by the caller's clock; wins over `delaySeconds`. */
  readonly runAt: Date | null;
  /** From the database's now. */
  readonly delaySeconds: number | null;
  /** Null: the task's own; settled at the first claim where no worker has registered the task yet. */
  readonly maxAttempts: number | null;
  /** What the call says of the retry policy: laid over the task's. */
  readonly retry: PartialRetry | null;
  /** Seconds from the real start of each attempt. */
  readonly timeoutSeconds: number | null;
  /** Seconds from when it is due to its first start. */
  readonly queueTimeoutSeconds: number | null;
  readonly input: EncodedPayload;
  readonly tags: readonly string[];
  readonly metadata: Readonly<Record<string, unknown>>;
}

/** What the database decided about one. */
export interface EnqueuedRow {
  readonly id: string;
  readonly seq: number;
  readonly queue: string;
  readonly ready: boolean;
  readonly max_attempts: number | null;
  readonly retry: PartialRetry | null;
  readonly timeout_seconds: number | null;
  readonly expires_at: string | null;
  readonly run_at: string;
  readonly created_at: string;
  /** False: an execution with this id was there already and was left as it is. */
  readonly written: boolean;
}

/**
 * Writes executions: one statement and one parameter for one or for thousands, so that it runs in any driver's transaction.
 * With `notify` it wakes the workers inside the transaction; Postgres merges equal notifications of one transaction.
 */
export async function enqueue(
  store: Store,
  executions: readonly NewExecution[],
  notify: boolean,
): Promise<EnqueuedRow[]> {
  const { names } = store;
  const text = `
    with incoming as (
      select * from jsonb_to_recordset($1::text::jsonb) as r(
        n int, id uuid, task text, queue text, priority smallint, run_at timestamptz, delay float8,
        max_attempts int, retry jsonb, timeout float8, queue_timeout float8,
        input text, input_bytes text, content_type text, tags text[], metadata jsonb)
    ), due as (
      select i.*, coalesce(i.run_at, now() + make_interval(secs => coalesce(delay, 0))) as due_at from incoming i
    ), written as (
      insert into ${names.execution} (id, task, queue, priority, run_at, ready, max_attempts, retry, timeout_seconds, expires_at,
        input, input_bytes, input_content_type, tags, metadata)
      select id, i.task, coalesce(i.queue, d.queue, 'default'), priority, due_at, due_at <= now(),
        coalesce(i.max_attempts, d.max_attempts, case when d.name is not null then 1 end),
        nullif(coalesce(d.retry, '{}') || coalesce(nullif(i.retry, 'null'), '{}')
          || case when d.name is null and i.max_attempts is not null then '{"${UNSETTLED}": true}' else '{}' end::jsonb, '{}'), coalesce(i.timeout, d.timeout_seconds),
        greatest(due_at, now()) + make_interval(secs => coalesce(i.queue_timeout, d.queue_timeout_seconds)),
        input::jsonb, decode(input_bytes, 'base64'), content_type, tags, metadata
      from due i left join ${names.definition} d on d.name = i.task where ${MARK} order by n
      on conflict (id) do nothing
      returning id, seq, queue, ready, max_attempts, retry, timeout_seconds, expires_at, run_at, created_at
    ), woken as (
      select pg_notify('${names.enqueuedChannel}', wake) from (select distinct case when ready then queue else '' end as wake from written) w
      where $2::text = 'notify'
    ), answer as (
      select *, true as written from written
      union all
      select e.id, e.seq, e.queue, e.ready, e.max_attempts, e.retry, e.timeout_seconds, e.expires_at, e.run_at, e.created_at, false from ${names.execution} e join incoming i on i.id = e.id
    )
    ${unmarking("written", `select to_json(a)::text as row from answer a, (select count(*) from woken) w`)}`;
  return await queryRows<EnqueuedRow>(store, text, [
    JSON.stringify(executions.map(toRecord)),
    notify ? "notify" : "quiet",
  ]);
}

function toRecord(execution: NewExecution, n: number): Record<string, unknown> {
  return {
    n,
    id: execution.id,
    task: execution.task,
    queue: execution.queue,
    priority: execution.priority,
    run_at: execution.runAt,
    delay: execution.delaySeconds,
    max_attempts: execution.maxAttempts,
    retry: execution.retry,
    timeout: execution.timeoutSeconds,
    queue_timeout: execution.queueTimeoutSeconds,
    input: execution.input.json,
    input_bytes: execution.input.bytes === null ? null : Buffer.from(execution.input.bytes).toString("base64"),
    content_type: execution.input.contentType,
    tags: execution.tags,
    metadata: execution.metadata,
  };
}

/** Wakes the workers of these queues; an empty name means that something was scheduled for later. */
export async function wake(store: Store, queues: readonly string[]): Promise<void> {
  await store.query(
    `select pg_notify('${store.names.enqueuedChannel}', q) from jsonb_array_elements_text($1::text::jsonb) q`,
    [JSON.stringify(queues)],
  );
}
