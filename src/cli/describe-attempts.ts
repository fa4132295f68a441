import type { RayTaskAttempt } from "../attempt.ts";
import type { Retry } from "../retry-options.ts";
import { instant, seconds, table } from "./format.ts";

const HEAD = ["FENCE", "TRY", "OUTCOME", "CLAIMED", "WAITED", "RAN", "WORKER", "PID", "NODE", "RAY TASK", "WHY"];
/** Digits of Ray's ids; `--json` has them whole. */
const DIGITS = 12;

/** A table of attempts, oldest first. */
export function describeAttempts(attempts: readonly RayTaskAttempt[]): string {
  const rows = attempts.map((each) => [
    String(each.fence),
    String(each.attempt),
    each.outcome,
    instant(each.claimedAt) ?? "",
    seconds(each.waitSeconds) ?? "",
    seconds(each.runSeconds) ?? "",
    each.worker ?? "",
    each.pid === null ? "" : String(each.pid),
    each.rayNodeId?.slice(0, DIGITS) ?? "",
    each.rayTaskId?.slice(0, DIGITS) ?? "",
    each.why ?? "",
  ]);
  return table(HEAD, rows);
}

/** A retry policy in a line. */
export function describeRetry({ backoff, maxDelay, jitter, on, neverOn, losses }: Retry): string {
  const waits =
    typeof backoff === "number"
      ? `after ${backoff} s`
      : "first" in backoff
        ? `after ${backoff.first} s, then times ${backoff.factor ?? 2}, at most ${maxDelay} s`
        : `after ${backoff.join(", ")} s`;
  const which = on === null ? "any error" : on.length === 0 ? "no error" : on.join(", ");
  const never = neverOn.length === 0 ? "" : `, never on ${neverOn.join(", ")}`;
  return `${waits}${jitter ? " (or less, by chance)" : ""}; on ${which}${never}; ${losses} losses to infrastructure allowed`;
}
