/** QUEUED, RUNNING and CANCELLING are live; the others are terminal. */
export const TaskState = {
  QUEUED: "QUEUED",
  RUNNING: "RUNNING",
  /** A cancel was asked for; it hasn't stopped yet. */
  CANCELLING: "CANCELLING",
  SUCCEEDED: "SUCCEEDED",
  FAILED: "FAILED",
  CANCELLED: "CANCELLED",
  /** Not started before its deadline. */
  EXPIRED: "EXPIRED",
  /** The infrastructure failed more often than allowed. */
  LOST: "LOST",
} as const;
export type TaskState = (typeof TaskState)[keyof typeof TaskState];

/** Every state, live ones first. */
export const TASK_STATES: readonly TaskState[] = Object.values(TaskState);
const LIVE: ReadonlySet<TaskState> = new Set(["QUEUED", "RUNNING", "CANCELLING"]);

/** Whether it can still change by itself. */
export function isLive(state: TaskState): boolean {
  return LIVE.has(state);
}
