import type { Store } from "./connection.ts";
import { queryRows } from "./queryable.ts";

/** Those of `ids` that have no row any more: somebody deleted them by hand. */
export async function readDeleted(store: Store, ids: readonly string[]): Promise<string[]> {
  const text = `select to_json(t)::text as row from (
    select i.id from jsonb_array_elements_text($1::text::jsonb) as x(id), lateral (select x.id::uuid as id) i
    where not exists (select from ${store.names.execution} e where e.id = i.id)) t`;
  return (await queryRows<{ id: string }>(store, text, [JSON.stringify(ids)])).map(({ id }) => id);
}
