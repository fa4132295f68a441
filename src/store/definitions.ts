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

/** Every task that a worker has registered. */
export async function readDefinitions(store: Store): Promise<TaskDefinition[]> {
  const text = `select to_json(t)::text as row from (
    select name, module, kind, queue, num_cpus, doc, parameters from ${store.names.definition} order by name) t`;
  return await queryRows<TaskDefinition>(store, text, []);
}

/** Writes a worker's registry; a task that is there already gets its new signature. */
export async function define(store: Store, definitions: readonly TaskDefinition[]): Promise<void> {
  const text = `
    insert into ${store.names.definition} as d (name, module, kind, queue, num_cpus, doc, parameters)
    select name, module, kind, queue, num_cpus, doc, parameters
    from jsonb_to_recordset($1::text::jsonb) as r(name text, module text, kind text, queue text, num_cpus float8, doc text, parameters jsonb)
    order by name
    on conflict (name) do update set
      module = excluded.module, kind = excluded.kind, queue = excluded.queue, num_cpus = excluded.num_cpus, doc = excluded.doc,
      parameters = excluded.parameters, registered_at = now()`;
  await store.query(text, [JSON.stringify(definitions)]);
}
