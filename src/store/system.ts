import type { Store } from "./connection.ts";

/** Which Postgres answers: the cluster, and which of its histories. */
export interface DatabaseIdentity {
  /** `pg_control_system().system_identifier`: the same on a primary and its standbys, another after a restore into a new cluster. */
  readonly system_id: string;
  /** Goes up when a standby takes over: rows that the old primary had committed may be missing. */
  readonly timeline: number;
}

/** Null where it may not be read. */
export async function readDatabaseIdentity(store: Store): Promise<DatabaseIdentity | null> {
  try {
    const [row] = await store.query(
      `select system_identifier::text as system_id, timeline_id::text as timeline
       from pg_control_system(), pg_control_checkpoint()`,
      [],
    );
    return row === undefined ? null : { system_id: String(row["system_id"]), timeline: Number(row["timeline"]) };
  } catch {
    return null;
  }
}
