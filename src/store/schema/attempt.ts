import { sql } from "drizzle-orm";
import { bigint, doublePrecision, integer, jsonb, text, uniqueIndex, uuid } from "drizzle-orm/pg-core";
import type { AttemptUsage } from "../../attempt.ts";
import type { TaskError } from "../../errors.ts";
import { instant } from "./columns.ts";
import { rayTaskExecution } from "./execution.ts";
import { rayferrySchema } from "./rayferry.ts";

/** What table and view have alike. */
const endedColumns = () => ({
  fence: bigint({ mode: "number" }).notNull(),
  attempt: integer().notNull(),
  outcome: text().notNull(),
  worker: text(),
  error: jsonb().$type<TaskError>(),
  rayTaskId: text("ray_task_id"),
  rayNodeId: text("ray_node_id"),
  rayWorkerId: text("ray_worker_id"),
  pid: integer(),
  usage: jsonb().$type<AttemptUsage>(),
  claimedAt: instant("claimed_at"),
  startedAt: instant("started_at"),
});

/** Attempts that ended and were followed by another. `ray_task_attempt` shows these and the last one together. */
export const rayTaskAttemptEnded = rayferrySchema.table(
  "ray_task_attempt_ended",
  {
    executionId: uuid("execution_id")
      .notNull()
      .references(() => rayTaskExecution.id, { onDelete: "cascade" }),
    ...endedColumns(),
    finishedAt: instant("finished_at").notNull().default(sql`now()`),
  },
  (t) => [uniqueIndex("ray_task_attempt_ended_key").on(t.executionId, t.fence)],
);

/**
 * Every attempt of an execution that was claimed and not handed back: the earlier ones, and the last one from the execution's own row. `outcome`:
 * SUCCEEDED, FAILED, TIMED_OUT, CANCELLED, SNOOZED, LOST, or the state that it is in now.
 */
export const rayTaskAttempt = rayferrySchema
  .view("ray_task_attempt", {
    executionId: uuid("execution_id").notNull(),
    ...endedColumns(),
    finishedAt: instant("finished_at"),
  })
  .as(
    sql`select execution_id, fence, attempt, outcome, worker, error, ray_task_id, ray_node_id, ray_worker_id, pid, usage, claimed_at, started_at, finished_at
      from "rayferry"."ray_task_attempt_ended"
      union all
      select e.id, e.last_fence, e.attempt, case when e.state = 'FAILED' and e.error->>'code' = 'Timeout' then 'TIMED_OUT' else e.state::text end, e.worker, e.error, e.ray_task_id, e.ray_node_id, e.ray_worker_id, e.pid, e.usage, e.claimed_at, e.started_at, e.finished_at
      from "rayferry"."ray_task_execution" e
      where e.last_fence is not null
        and not exists (select from "rayferry"."ray_task_attempt_ended" a where a.execution_id = e.id and a.fence = e.last_fence)`,
  );

export const attemptPhase = rayferrySchema.enum("attempt_phase", ["SUBMITTED", "PENDING", "RUNNING"]);

/**
 * One row an attempt that is held for longer than a beat: its phase, place and progress. Written by its holder's beat, removed when the attempt ends.
 * No foreign key: only held executions have one, and those aren't deleted.
 */
export const executionLease = rayferrySchema.table("execution_lease", {
  executionId: uuid("execution_id").primaryKey(),
  fence: bigint({ mode: "number" }).notNull(),
  holder: uuid().notNull(),
  server: uuid().notNull(),
  /** SUBMITTED: sent, not yet taken by the server. PENDING: Ray has no room. RUNNING: its code has begun. */
  phase: attemptPhase().notNull(),
  rayTaskId: text("ray_task_id"),
  rayNodeId: text("ray_node_id"),
  rayWorkerId: text("ray_worker_id"),
  pid: integer(),
  progressCurrent: doublePrecision("progress_current"),
  progressTotal: doublePrecision("progress_total"),
  progressMessage: text("progress_message"),
  /** Why Ray hasn't begun it, in words. */
  waitReason: text("wait_reason"),
  startedAt: instant("started_at"),
  updatedAt: instant("updated_at").notNull().default(sql`now()`),
});
