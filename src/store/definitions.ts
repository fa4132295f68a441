import type { PartialRetry } from "../retry-policy.ts";
import type { Store } from "./connection.ts";
import { queryRows } from "./queryable.ts";
import type { TaskParameter } from "./schema.ts";

/** A registered task. */
export interface TaskDefinition {
  readonly name: string;
  readonly module: string;
  readonly kind: string;
  readonly queue: string;
  readonly num_cpus: number;
  readonly doc: string | null;
  readonly parameters: readonly TaskParameter[];
}

/** A task as a worker registers it: with what its author said of attempts and times. */
export interface NewDefinition extends TaskDefinition {
  readonly max_attempts?: number | null;
  readonly retry?: PartialRetry | null;
  readonly timeout_seconds?: number | null;
  readonly queue_timeout_seconds?: number | null;
}

/** Every task that a worker has registered. */
export async function readDefinitions(store: Store): Promise<TaskDefinition[]> {
  const text = `select to_json(t)::text as row from (
    select name, module, kind, queue, num_cpus, doc, parameters from ${store.names.definition} order by name) t`;
  return await queryRows<TaskDefinition>(store, text, []);
}

/** Writes a worker's registry; a task that is there already gets its new signature. */
export async function define(store: Store, definitions: readonly NewDefinition[]): Promise<void> {
  const text = `
    insert into ${store.names.definition} as d (name, module, kind, queue, num_cpus, doc, parameters,
      max_attempts, retry, timeout_seconds, queue_timeout_seconds)
    select name, module, kind, queue, num_cpus, doc, parameters, max_attempts, nullif(retry, 'null'), timeout_seconds, queue_timeout_seconds
    from jsonb_to_recordset($1::text::jsonb) as r(name text, module text, kind text, queue text, num_cpus float8, doc text, parameters jsonb,
      max_attempts int, retry jsonb, timeout_seconds float8, queue_timeout_seconds float8)
    order by name
    on conflict (name) do update set
      module = excluded.module, kind = excluded.kind, queue = excluded.queue, num_cpus = excluded.num_cpus, doc = excluded.doc,
      parameters = excluded.parameters, max_attempts = excluded.max_attempts, retry = excluded.retry,
      timeout_seconds = excluded.timeout_seconds, queue_timeout_seconds = excluded.queue_timeout_seconds, registered_at = now()`;
  await store.query(text, [JSON.stringify(definitions)]);
}
