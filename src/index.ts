export { type BackendOptions, type EnqueueItem, RayTaskBackend } from "./backend.ts";
export type { CancelFilter } from "./cancel-filter.ts";
export type { DrainReport, DrainWait, HeldExecution } from "./draining.ts";
export type { EnqueueOptions } from "./enqueue-options.ts";
export * from "./errors.ts";
export {
  type AttemptOutcome,
  type AttemptPhase,
  type CancelOptions,
  isLive,
  type Progress,
  type QueuePause,
  type RayFacts,
  type RayTaskAttempt,
  RayTaskExecution,
  type RerunOptions,
  type ResultOptions,
  TASK_STATES,
  type TaskQueue,
  TaskState,
  type TaskWorkerLease,
  type VerbOptions,
  type WorkerServer,
  type WorkerState,
} from "./execution.ts";
export { ZonedDate } from "./payload/zoned-date.ts";
export type { ExponentialBackoff, Retry, RetryOptions } from "./retry-options.ts";
export type { CancelCounts } from "./store/cancel-many.ts";
export type { ListFilter } from "./store/list.ts";
export { type MigrateOptions, type MigrateReport, migrate } from "./store/migrate.ts";
export type { CallerClient, DrizzleClient, PostgresJsClient } from "./store/queryable.ts";
export { defineTask, type Task } from "./task.ts";
