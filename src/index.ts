export { type BackendOptions, type EnqueueItem, RayTaskBackend } from "./backend.ts";
export type { EnqueueOptions } from "./enqueue-options.ts";
export * from "./errors.ts";
export {
  type AttemptPhase,
  type CancelOptions,
  isLive,
  type Progress,
  type RayFacts,
  type RayTaskAttempt,
  RayTaskExecution,
  type ResultOptions,
  TASK_STATES,
  TaskState,
  type TaskWorkerLease,
  type WorkerServer,
  type WorkerState,
} from "./execution.ts";
export { ZonedDate } from "./payload/zoned-date.ts";
export type { ExponentialBackoff, Retry, RetryOptions } from "./retry-options.ts";
export { type MigrateOptions, type MigrateReport, migrate } from "./store/migrate.ts";
export type { CallerClient, DrizzleClient, PostgresJsClient } from "./store/queryable.ts";
export type { ListFilter } from "./store/read.ts";
export { defineTask, type Task } from "./task.ts";
