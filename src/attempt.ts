import type { TaskError } from "./errors.ts";

/** Of what is held for more than a moment. SUBMITTED: sent. PENDING: its server has it, Ray hasn't begun it. RUNNING: its code has begun. */
export type AttemptPhase = "SUBMITTED" | "PENDING" | "RUNNING";

/** How far a task says it is: `context.progress(current, total, message)` in Python. */
export interface Progress {
  readonly current: number;
  readonly total: number | null;
  readonly message: string | null;
}

/** What Ray granted an attempt, and what its process used for it. */
export interface AttemptUsage {
  /** As Ray names them: CPU, GPU, memory, ... */
  readonly resources: Readonly<Record<string, number>>;
  /** Bytes: the most that its process had in memory while it ran. */
  readonly peakMemory: number | null;
  /** Of all its threads and of the processes it waited for. */
  readonly cpuSeconds: number | null;
}

/** How an attempt ended, or RUNNING or CANCELLING while it hasn't. */
export type AttemptOutcome =
  | "SUCCEEDED"
  /** The task raised, or couldn't be run. */
  | "FAILED"
  /** Its time was over; its execution is FAILED if no other attempt followed. */
  | "TIMED_OUT"
  | "CANCELLED"
  /** The task asked to be run later: it was no try. */
  | "SNOOZED"
  /** The infrastructure took it: it was no try of the task's. */
  | "LOST"
  | "RUNNING"
  | "CANCELLING";

/** One attempt of an execution: it was claimed, and not handed back before it began. */
export interface RayTaskAttempt {
  /** From a sequence: a later attempt has a higher one. */
  readonly fence: number;
  /** Which try it was, from 1: one that was no try has the number of the next. */
  readonly attempt: number;
  readonly outcome: AttemptOutcome;
  /** Why it ended so, in a line; null where it succeeded or goes on. */
  readonly why: string | null;
  readonly worker: string | null;
  readonly error: TaskError | null;
  readonly rayTaskId: string | null;
  readonly rayNodeId: string | null;
  readonly rayWorkerId: string | null;
  /** Of the Ray process that ran it. */
  readonly pid: number | null;
  readonly claimedAt: Date | null;
  /** When its code really began; null where it never did, or nobody noted it. */
  readonly startedAt: Date | null;
  readonly finishedAt: Date | null;
  /** Seconds from claim to start. */
  readonly waitSeconds: number | null;
  /** Seconds from start to end. */
  readonly runSeconds: number | null;
}
