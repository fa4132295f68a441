import { sql } from "drizzle-orm";
import {
  bigint,
  boolean,
  check,
  doublePrecision,
  index,
  integer,
  jsonb,
  smallint,
  text,
  uniqueIndex,
  uuid,
} from "drizzle-orm/pg-core";
import type { AttemptUsage } from "../../attempt.ts";
import type { TaskError } from "../../errors.ts";
import { bytea, instant } from "./columns.ts";
import { rayferrySchema } from "./rayferry.ts";

/** Live: QUEUED, RUNNING, CANCELLING. Terminal: the others. */
export const taskState = rayferrySchema.enum("task_state", [
  "QUEUED",
  "RUNNING",
  "CANCELLING",
  "SUCCEEDED",
  "FAILED",
  "CANCELLED",
  "EXPIRED",
  "LOST",
]);

/** One row an execution. The row also is the record of its last attempt; earlier ones are in `ray_task_attempt_ended`. */
export const rayTaskExecution = rayferrySchema.table(
  "ray_task_execution",
  {
    /** UUID v7 made by the client: repeating an enqueue with the same id is harmless. */
    id: uuid().primaryKey().default(sql`gen_random_uuid()`),
    /** Order of writing; the last word in claim order. */
    seq: bigint({ mode: "number" }).generatedAlwaysAsIdentity().notNull(),
    task: text().notNull(),
    /** Left out in an INSERT by hand, it is the task's own, or "default". */
    queue: text().notNull().default(""),
    state: taskState().notNull().default("QUEUED"),
    /** Higher first. */
    priority: smallint().notNull().default(0),
    /** Not before this. */
    runAt: instant("run_at").notNull().default(sql`now()`),
    /** `run_at` was due when this was written; the claim looks at ready rows only. */
    ready: boolean().notNull().default(true),
    /** Tries that count against maxAttempts, the current one included. */
    attempt: integer().notNull().default(0),
    /** Null until a claim settles what the call left to the task: with it `retry` and `timeout_seconds`. */
    maxAttempts: integer("max_attempts"),
    /** What differs from the default policy, as far as the task or the call says; the shape is `RetryPolicy`'s, in part. */
    retry: jsonb().$type<Readonly<Record<string, unknown>>>(),
    /** Attempts lost to infrastructure; they have a budget of their own. */
    infrastructureLosses: integer("infrastructure_losses").notNull().default(0),
    /** The attempt that holds it now, from a sequence; null when nobody does. */
    fence: bigint({ mode: "number" }),
    /** The worker incarnation that may write for it now. */
    holder: uuid(),
    /** The server that has it: set by the claim, kept by adoption. */
    server: uuid(),
    /** Arguments when JSON says them exactly; an object is keyword arguments, an array positional ones. */
    input: jsonb().default({}),
    inputBytes: bytea("input_bytes"),
    inputContentType: text("input_content_type").notNull().default("application/json"),
    result: jsonb(),
    resultBytes: bytea("result_bytes"),
    resultContentType: text("result_content_type"),
    error: jsonb().$type<TaskError>(),
    /** What the call says of Ray's options, and the runtime environment that it had when it was enqueued; the shape is `RayOptions`'. */
    options: jsonb().$type<Record<string, unknown>>().notNull().default({}),
    /** Seconds from the real start. */
    timeoutSeconds: doublePrecision("timeout_seconds"),
    /** EXPIRED if it hasn't started by then. */
    expiresAt: instant("expires_at"),
    parentId: uuid("parent_id"),
    rerunOf: uuid("rerun_of"),
    uniqueKey: text("unique_key"),
    concurrencyKey: text("concurrency_key"),
    blockedBy: uuid("blocked_by").array(),
    tags: text().array().notNull().default(sql`'{}'::text[]`),
    metadata: jsonb().$type<Record<string, unknown>>().notNull().default({}),
    traceParent: text("trace_parent"),
    /** Why a queued one isn't running, in words; null when there is nothing to say. */
    waitReason: text("wait_reason"),
    /** Since when no worker that claimed it knew its task. */
    unknownSince: instant("unknown_since"),
    cancelRequestedAt: instant("cancel_requested_at"),
    cancelReason: text("cancel_reason"),
    /** Of the last attempt: kept when `fence` and `holder` are cleared. */
    lastFence: bigint("last_fence", { mode: "number" }),
    worker: text(),
    rayTaskId: text("ray_task_id"),
    rayNodeId: text("ray_node_id"),
    rayWorkerId: text("ray_worker_id"),
    pid: integer(),
    /** What Ray granted the last attempt, and what that used; null where nobody told. */
    usage: jsonb().$type<AttemptUsage>(),
    createdAt: instant("created_at").notNull().default(sql`now()`),
    claimedAt: instant("claimed_at"),
    /** When Ray really began it. */
    startedAt: instant("started_at"),
    finishedAt: instant("finished_at"),
  },
  (t) => [
    uniqueIndex("ray_task_execution_seq").on(t.seq),
    index("ray_task_execution_claim")
      .on(t.queue, t.priority.desc().nullsFirst(), t.runAt, t.seq)
      .where(sql`state = 'QUEUED' and ready`),
    index("ray_task_execution_due").on(t.runAt).where(sql`state = 'QUEUED' and not ready`),
    index("ray_task_execution_expiry").on(t.expiresAt).where(sql`state = 'QUEUED' and expires_at is not null`),
    index("ray_task_execution_held").on(t.server, t.holder).where(sql`server is not null`),
    index("ray_task_execution_queued").on(t.queue, t.task, t.seq).where(sql`state = 'QUEUED'`),
    index("ray_task_execution_parent").on(t.parentId, t.seq).where(sql`parent_id is not null`),
    index("ray_task_execution_ended").on(t.queue, t.task, t.state, t.seq).where(sql`finished_at is not null`),
    check("queue_has_name", sql`queue <> ''`),
    check("held_has_fence", sql`(state in ('RUNNING', 'CANCELLING')) = (fence is not null)`),
    check("held_has_holder", sql`(fence is null) = (holder is null) and (fence is null) = (server is null)`),
    check("held_was_claimed", sql`fence is null or (claimed_at is not null and worker is not null)`),
    check(
      "terminal_has_end",
      sql`(state in ('SUCCEEDED', 'FAILED', 'CANCELLED', 'EXPIRED', 'LOST')) = (finished_at is not null)`,
    ),
    check("cancelling_was_asked", sql`state <> 'CANCELLING' or cancel_requested_at is not null`),
    check("failed_has_error", sql`state not in ('FAILED', 'LOST') or error is not null`),
    check("succeeded_has_no_error", sql`state <> 'SUCCEEDED' or error is null`),
    check("result_only_of_success", sql`state = 'SUCCEEDED' or (result is null and result_bytes is null)`),
    check("result_one_form", sql`num_nonnulls(result, result_bytes) <= 1`),
    check("result_has_type", sql`state <> 'SUCCEEDED' or result_content_type is not null`),
    check("input_one_form", sql`num_nonnulls(input, input_bytes) = 1`),
    check("attempt_within_bounds", sql`attempt >= 0 and max_attempts >= 1 and infrastructure_losses >= 0`),
    check("timeout_positive", sql`timeout_seconds > 0 and timeout_seconds <= 1e9`),
    check("retry_is_object", sql`retry is null or jsonb_typeof(retry) = 'object'`),
    check("error_is_object", sql`error is null or jsonb_typeof(error) = 'object'`),
  ],
);

/** Fences: new at each claim, never reused. */
export const fenceSequence = rayferrySchema.sequence("fence");
