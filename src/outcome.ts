import {
  ExecutionCancelledError,
  ExecutionExpiredError,
  ExecutionFailedError,
  ExecutionLostError,
  ResultTimeoutError,
} from "./errors.ts";
import { type ExecutionRow, fromBase64 } from "./execution-row.ts";
import { decodePayload } from "./payload.ts";

/**
 * The value of an execution that has ended.
 *
 * @throws the error that says how it ended, unless it SUCCEEDED.
 */
export function resultOf(row: ExecutionRow, task: string): unknown {
  const what = `Execution ${row.id} of task ${task}`;
  switch (row.state) {
    case "SUCCEEDED":
      return decodePayload({ json: row.result_json, bytes: fromBase64(row.result_base64) });
    case "FAILED":
      throw new ExecutionFailedError(
        row.id,
        task,
        row.error ?? {
          code: "TaskError",
          type: "Unknown",
          bases: [],
          message: "no error was recorded",
          traceback: null,
        },
      );
    case "CANCELLED":
      throw new ExecutionCancelledError(
        `${what} was cancelled${row.cancel_reason === null ? "" : `: ${row.cancel_reason}`}.`,
      );
    case "EXPIRED":
      throw new ExecutionExpiredError(
        `${what} didn't begin before its deadline${row.expires_at === null ? "" : `, ${new Date(row.expires_at).toISOString()}`}.`,
      );
    case "LOST":
      throw new ExecutionLostError(
        `${what} was lost to infrastructure ${row.infrastructure_losses === 1 ? "once" : `${row.infrastructure_losses} times`}, more than allowed. Last: ${row.error?.message ?? "unknown"}`,
      );
    default:
      throw new ResultTimeoutError(`${what} is still ${row.state}.`);
  }
}
