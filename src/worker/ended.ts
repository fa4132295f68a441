import type { ServerMessageOf } from "../../bridge/src/index.ts";
import type { RunReport } from "../store/run-report.ts";
import { withStart } from "./begun.ts";
import { type Decision, decide, failure } from "./decide.ts";
import type { HeldAttempt } from "./held.ts";
import { waitReason } from "./wait-reason.ts";

type Result = ServerMessageOf<"result">;

/** An attempt that ended, what becomes of it, and what the statements need for that. */
export interface Ended {
  readonly id: string;
  readonly fence: number;
  /** As it came. */
  readonly result: Result;
  readonly decision: Decision;
  /** What is shown while it waits for its next attempt; empty where none follows. */
  readonly reason: string;
  readonly run: RunReport;
  readonly leased: boolean;
}

/** The statement that writes it. */
export type Verb = "complete" | "again" | "requeue";

/** `receivedAt` by `performance.now()`. */
export function toEnded(result: Result, receivedAt: number, held: HeldAttempt): Ended {
  const { terms } = held;
  const decision = decide(result, terms, { cancelAsked: held.cancelling, random: Math.random() });
  const { run } = result;
  const report = {
    rayTaskId: run.ray_task_id,
    nodeId: run.node_id,
    workerId: run.worker_id,
    pid: run.pid,
    runSeconds: run.run_seconds,
    ageSeconds: run.age_seconds + (performance.now() - receivedAt) / 1000,
  };
  return {
    id: result.execution,
    fence: result.fence,
    result,
    decision,
    reason: decision.word === "retry" || decision.word === "snooze" ? waitReason(decision, terms) : "",
    run: decision.word === "requeue" ? withStart(report, held.begun) : report,
    leased: held.leased,
  };
}

export function verbOf({ decision }: Ended): Verb {
  return decision.word === "retry" || decision.word === "snooze" ? "again" : decision.word;
}

/** The same attempt, FAILED because Postgres refused what it would have written. */
export function asUnstorable(ended: Ended, refusal: unknown): Ended {
  const message = `Postgres refused the result: ${refusal instanceof Error ? refusal.message : String(refusal)}`;
  const error = failure("ResultNotStorable", "ResultNotStorable", message);
  return { ...ended, decision: { word: "complete", state: "FAILED", error } };
}
