import type { ServerMessageOf } from "../../bridge/src/index.ts";
import type { RunReport } from "../store/run-report.ts";

/** What is known of an attempt's real start. */
export interface Begun {
  readonly run: ServerMessageOf<"started">["run"];
  /** By `performance.now()`. */
  readonly receivedAt: number;
}

/** Seconds since then. */
export function secondsSince({ run, receivedAt }: Begun, now = performance.now()): number {
  return run.age_seconds + (now - receivedAt) / 1000;
}

/**
 * The report of an attempt that was lost: of what its process, which is gone, doesn't tell, what was known of it. That it had begun isn't to be
 * forgotten because no beat had come to note it: it has no deadline any more.
 */
export function withStart(report: RunReport, begun: Begun | null): RunReport {
  if (begun === null || report.runSeconds !== null) return report;
  const { ray_task_id, node_id, worker_id, pid } = begun.run;
  return {
    rayTaskId: report.rayTaskId ?? ray_task_id,
    nodeId: report.nodeId ?? node_id,
    workerId: report.workerId ?? worker_id,
    pid: report.pid ?? pid,
    runSeconds: Math.max(0, secondsSince(begun) - report.ageSeconds),
    ageSeconds: report.ageSeconds,
  };
}

/** ... of one of which nobody told anything: it ended now. */
export function reportOf(begun: Begun | null): RunReport | null {
  if (begun === null) return null;
  const nothing = { rayTaskId: null, nodeId: null, workerId: null, pid: null, runSeconds: null, ageSeconds: 0 };
  return withStart(nothing, begun);
}
