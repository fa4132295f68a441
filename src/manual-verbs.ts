/** What people ask of one execution: done in one statement, or refused with what can be done instead. */
import { uuidv7 } from "uuidv7";
import { ConfigurationError, ExecutionNotFoundError, ExecutionStateError } from "./errors.ts";
import type { ExecutionRow } from "./execution-row.ts";
import type { EncodedPayload } from "./payload.ts";
import { cancel } from "./store/cancel.ts";
import type { Store } from "./store/connection.ts";
import { deleteExecution } from "./store/delete.ts";
import { readExecutions } from "./store/read.ts";
import { rerun } from "./store/rerun.ts";
import { retry, type VerbRow } from "./store/retry.ts";
import { timely } from "./store/timely.ts";
import { isLive, type TaskState } from "./task-state.ts";

/** @throws ExecutionNotFoundError */
export async function cancelById(store: Store, id: string, reason: string | null): Promise<void> {
  if ((await cancel(store, id, reason)) === null) throw notFound(id);
}

/** @throws ExecutionNotFoundError, ExecutionStateError */
export async function retryById(store: Store, id: string): Promise<void> {
  const row = found(await retry(store, id), id);
  if (!row.done) throw new ExecutionStateError(whyNoRetry(id, row.before), id, row.before);
}

function whyNoRetry(id: string, state: TaskState): string {
  const what = `Execution ${id} is ${state}`;
  if (state === "SUCCEEDED") return `${what}: its result stands. To run the same again as a new execution, rerun it.`;
  if (state === "QUEUED") return `${what}: it runs when a worker takes it, and there is nothing to retry.`;
  if (state === "CANCELLING") return `${what}: it is being stopped. Retry it when it is CANCELLED.`;
  return `${what}: there is nothing to retry. To begin it anew, cancel it, and retry it when it is CANCELLED.`;
}

/** @throws ExecutionNotFoundError, ExecutionStateError */
export async function deleteById(store: Store, id: string): Promise<void> {
  const row = found(await deleteExecution(store, id), id);
  if (row.done) return;
  const then = row.before === "QUEUED" ? "Cancel it first." : "Cancel it first, and delete it when it has ended.";
  throw new ExecutionStateError(
    `Execution ${id} is ${row.before}: only what has ended is deleted. ${then}`,
    id,
    row.before,
  );
}

/**
 * Writes the rerun of an execution; answers its id.
 *
 * @throws ExecutionNotFoundError, ExecutionStateError
 */
export async function rerunById(
  store: Store,
  of: string,
  input: EncodedPayload | null,
  newId: string | null,
): Promise<string> {
  const id = newId ?? uuidv7();
  const row = found(await rerun(store, { id, of, input }), of);
  if (row.done) return id;
  if (isLive(row.before)) {
    const then = "Wait for its end, or cancel it first; to run the same beside it, enqueue it.";
    throw new ExecutionStateError(
      `Execution ${of} is ${row.before}: only what has ended is rerun. ${then}`,
      of,
      row.before,
    );
  }
  const [there] = await readExecutions(store, [id]);
  if (there?.rerun_of === of) return id;
  throw new ConfigurationError(`Execution ${id} exists already, and isn't a rerun of ${of}. Give another id, or none.`);
}

/** The execution that a rerun is of. @throws ExecutionNotFoundError */
export async function readById(store: Store, id: string): Promise<ExecutionRow> {
  const [row] = await timely(store, () => readExecutions(store, [id]));
  return found(row ?? null, id);
}

function found<Row extends ExecutionRow | VerbRow>(row: Row | null, id: string): Row {
  if (row === null) throw notFound(id);
  return row;
}

function notFound(id: string): ExecutionNotFoundError {
  return new ExecutionNotFoundError(`There is no execution ${id}.`);
}
