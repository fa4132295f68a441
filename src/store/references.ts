import type { Store } from "./connection.ts";

/** A column of somebody's, by which a row of theirs keeps an execution from being removed. */
export interface Reference {
  /** Quoted, with its schema. */
  readonly table: string;
  /** Quoted. */
  readonly column: string;
}

/**
 * Foreign keys of others on executions that let none go (ON DELETE RESTRICT or NO ACTION), as far as their tables may be read. What they refer to is left
 * out from the beginning: refused by Postgres, row by row, a million of them would cost two million statements a walk.
 */
export async function readReferences(store: Store): Promise<Reference[]> {
  const text = `
    select format('%I.%I', n.nspname, t.relname) as "table", quote_ident(a.attname) as "column"
    from pg_constraint c join pg_class t on t.oid = c.conrelid join pg_namespace n on n.oid = t.relnamespace
      join pg_attribute a on a.attrelid = c.conrelid and a.attnum = c.conkey[1]
      join pg_attribute k on k.attrelid = c.confrelid and k.attnum = c.confkey[1] and k.attname = 'id'
    where c.contype = 'f' and c.confrelid = $1::text::regclass and c.confdeltype in ('a', 'r') and c.conparentid = 0 and cardinality(c.conkey) = 1
      and has_column_privilege(c.conrelid, c.conkey[1], 'select') and has_schema_privilege(n.oid, 'usage')
    order by 1, 2`;
  const rows = await store.query(text, [store.names.execution]);
  return rows.map((row) => ({ table: String(row["table"]), column: String(row["column"]) }));
}

/** As a condition on the id `of`: somebody's row refers to it. */
export function isReferredTo(references: readonly Reference[], of: string): string {
  if (references.length === 0) return "false";
  return references
    .map(({ table, column }) => `exists (select from ${table} o where o.${column} = ${of})`)
    .join(" or ");
}
