import type { ServerMessageOf } from "../../bridge/src/index.ts";

type Result = Pick<ServerMessageOf<"result">, "outcome">;

/** What to do with a result: write the attempt's end, or requeue it because its end wasn't its own. */
export type Verdict = "complete" | "requeue";

/**
 * LOST is infrastructure's doing. CANCELLED without a cancel of the user's is ours: a worker that stops stops its work too. Everything else is
 * the attempt's own end.
 */
export function judge(result: Result, cancelAsked: boolean): Verdict {
  if (result.outcome === "LOST" || result.outcome === "SNOOZED") return "requeue";
  if (result.outcome === "CANCELLED" && !cancelAsked) return "requeue";
  return "complete";
}
