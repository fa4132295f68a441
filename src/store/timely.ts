import type { ExecutionRow } from "../execution-row.ts";
import type { Store } from "./connection.ts";
import { codeOf, isTransient } from "./database-error.ts";
import { expire } from "./expire.ts";
import { isRowRefused } from "./row-refused.ts";

/** The caller's transaction has failed before. */
const ABORTED = "25P02";

/**
 * Rows as `read` reads them; where some are queued beyond their deadline, for no worker is alive to see to it, they are expired and read again. One that
 * can't be written is answered as it is.
 */
export async function timely(store: Store, read: () => Promise<ExecutionRow[]>): Promise<ExecutionRow[]> {
  const rows = await read();
  const overdue = rows.filter((row) => row.overdue).map(({ id }) => id);
  if (overdue.length === 0) return rows;
  const failure = await expireMet(store, overdue);
  try {
    return await read();
  } catch (error) {
    // In a transaction of the caller's what was refused has ended that, and is to be told.
    throw failure !== null && codeOf(error) === ABORTED ? failure : error;
  }
}

/**
 * Expires what a reader met. A row that Postgres refuses to write, by a constraint or trigger of somebody's, keeps none of the others; without the right
 * to write, nothing is. Answers the first refusal: to who only reads it is no error.
 *
 * @throws DatabaseError for what passes.
 */
export async function expireMet(store: Store, ids: readonly string[]): Promise<unknown> {
  try {
    await expire(store, { only: ids, except: [] });
    return null;
  } catch (error) {
    if (isTransient(error)) throw error;
    if (!isRowRefused(error) || ids.length === 1) return error;
    const middle = ids.length >> 1;
    await expireMet(store, ids.slice(0, middle));
    await expireMet(store, ids.slice(middle));
    return error;
  }
}
