import type { Store } from "./connection.ts";

/**
 * Which database cluster this is: `pg_control_system().system_identifier`, the same on a primary and its standbys, another after a restore into a
 * new cluster. Null where it may not be read.
 */
export async function readSystemId(store: Store): Promise<string | null> {
  try {
    const [row] = await store.query("select system_identifier::text as id from pg_control_system()", []);
    return typeof row?.["id"] === "string" ? row["id"] : null;
  } catch {
    return null;
  }
}
