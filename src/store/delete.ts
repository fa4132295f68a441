import type { Store } from "./connection.ts";
import { queryRows } from "./queryable.ts";
import type { VerbRow } from "./retry.ts";

/** Removes an execution that has ended, and its attempts by their foreign key. Answers nothing for an id that isn't there. */
export async function deleteExecution(store: Store, id: string): Promise<VerbRow | null> {
  const { names } = store;
  const text = `
    with target as (
      select id, state, finished_at from ${names.execution} where id = $1::text::uuid for update
    ), lease as (
      delete from ${names.executionLease} l using target t where l.execution_id = t.id and t.finished_at is not null
    ), deleted as (
      delete from ${names.execution} e using target t where e.id = t.id and t.finished_at is not null returning e.id
    )
    select to_json(a)::text as row from (
      select t.id, t.state as before, d.id is not null as done from target t left join deleted d on d.id = t.id) a`;
  const [row] = await queryRows<VerbRow>(store, text, [id]);
  return row ?? null;
}
