import type { ExecutionRow } from "../execution.ts";
import type { Store } from "./connection.ts";
import { expire } from "./expire.ts";

/** Rows as `read` reads them; where some are queued beyond their deadline, for no worker is alive to see to it, they are expired and read again. */
export async function timely(store: Store, read: () => Promise<ExecutionRow[]>): Promise<ExecutionRow[]> {
  const rows = await read();
  const overdue = rows.filter((row) => row.overdue).map(({ id }) => id);
  if (overdue.length === 0) return rows;
  await expire(store, { only: overdue, except: [] });
  return await read();
}
