/**
 * The tables, public: query and join them from your own drizzle code (`import { rayTaskExecution } from "rayferry/schema"`).
 *
 * Postgres is the only truth. CHECKs tie a state to its columns, so that a row that the state machine can't reach can't be written by anybody.
 */
import { sql } from "drizzle-orm";
import {
  bigint,
  boolean,
  check,
  customType,
  doublePrecision,
  index,
  integer,
  jsonb,
  pgSchema,
  smallint,
  text,
  timestamp,
  uniqueIndex,
  uuid,
} from "drizzle-orm/pg-core";
import type { TaskError } from "../errors.ts";
import type { RayFacts } from "../worker-lease.ts";

/** The schema that every table lives in. */
export const rayferrySchema = pgSchema("rayferry");

const bytea = customType<{ data: Uint8Array; driverData: Uint8Array }>({ dataType: () => "bytea" });
const instant = (name: string) => timestamp(name, { withTimezone: true });

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

export const workerState = rayferrySchema.enum("worker_state", ["STARTING", "READY", "DRAINING", "STOPPED", "LOST"]);

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
    /** What differs from the task's own options: resources, runtime_env, ... */
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

/** Attempts that ended and were followed by another. `ray_task_attempt` shows these and the last one together. */
export const rayTaskAttemptEnded = rayferrySchema.table(
  "ray_task_attempt_ended",
  {
    executionId: uuid("execution_id")
      .notNull()
      .references(() => rayTaskExecution.id, { onDelete: "cascade" }),
    fence: bigint({ mode: "number" }).notNull(),
    attempt: integer().notNull(),
    outcome: text().notNull(),
    worker: text(),
    error: jsonb().$type<TaskError>(),
    rayTaskId: text("ray_task_id"),
    rayNodeId: text("ray_node_id"),
    rayWorkerId: text("ray_worker_id"),
    pid: integer(),
    claimedAt: instant("claimed_at"),
    startedAt: instant("started_at"),
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
    fence: bigint({ mode: "number" }).notNull(),
    attempt: integer().notNull(),
    outcome: text().notNull(),
    worker: text(),
    error: jsonb().$type<TaskError>(),
    rayTaskId: text("ray_task_id"),
    rayNodeId: text("ray_node_id"),
    rayWorkerId: text("ray_worker_id"),
    pid: integer(),
    claimedAt: instant("claimed_at"),
    startedAt: instant("started_at"),
    finishedAt: instant("finished_at"),
  })
  .as(
    sql`select execution_id, fence, attempt, outcome, worker, error, ray_task_id, ray_node_id, ray_worker_id, pid, claimed_at, started_at, finished_at
      from "rayferry"."ray_task_attempt_ended"
      union all
      select e.id, e.last_fence, e.attempt, case when e.state = 'FAILED' and e.error->>'code' = 'Timeout' then 'TIMED_OUT' else e.state::text end, e.worker, e.error, e.ray_task_id, e.ray_node_id, e.ray_worker_id, e.pid, e.claimed_at, e.started_at, e.finished_at
      from "rayferry"."ray_task_execution" e
      where e.last_fence is not null
        and not exists (select from "rayferry"."ray_task_attempt_ended" a where a.execution_id = e.id and a.fence = e.last_fence)`,
  );

/** One row a worker incarnation: its time-limited right to its executions, by the database's clock. */
export const taskWorkerLease = rayferrySchema.table(
  "task_worker_lease",
  {
    /** The incarnation. */
    id: uuid().primaryKey(),
    name: text().notNull(),
    host: text().notNull(),
    pid: integer().notNull(),
    version: text().notNull(),
    queues: text().array().notNull(),
    tasks: text().array().notNull().default(sql`'{}'::text[]`),
    slots: integer(),
    /** Executions that it holds, at whichever server: sent and not yet taken by the server; waiting for room in Ray; running. */
    submitted: integer().notNull().default(0),
    pending: integer().notNull().default(0),
    running: integer().notNull().default(0),
    /** Write-backs of its own that lost to a newer fence or holder. */
    refused: bigint({ mode: "number" }).notNull().default(0),
    state: workerState().notNull().default("STARTING"),
    /** It sweeps for all: one worker at a time. */
    leads: boolean().notNull().default(false),
    /** Somebody asked it to claim no more. */
    drainRequestedAt: instant("drain_requested_at"),
    /** The server that it submits to. */
    server: uuid(),
    /** The Python process that it started; null with a server that somebody else started. */
    sidecarPid: integer("sidecar_pid"),
    /** Whether its server takes work now; null before there is one. */
    accepting: boolean(),
    /** Ray as its server last saw it. */
    ray: jsonb().$type<RayFacts>(),
    lastError: text("last_error"),
    lastErrorAt: instant("last_error_at"),
    startedAt: instant("started_at").notNull().default(sql`now()`),
    heartbeatAt: instant("heartbeat_at").notNull().default(sql`now()`),
    expiresAt: instant("expires_at").notNull(),
    stoppedAt: instant("stopped_at"),
  },
  (t) => [index("task_worker_lease_name").on(t.name)],
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
  startedAt: instant("started_at"),
  updatedAt: instant("updated_at").notNull().default(sql`now()`),
});

/**
 * How many executions have ended, as changes to be added up: a trigger on the executions writes one row a statement, queue, task and state, and the
 * leading worker folds them. So nobody waits for anybody's count.
 */
export const taskCount = rayferrySchema.table("task_count", {
  queue: text().notNull(),
  task: text().notNull(),
  /** A terminal one. */
  state: taskState().notNull(),
  change: bigint({ mode: "number" }).notNull(),
});

/** One row a queue that somebody paused, or has paused before. */
export const taskQueue = rayferrySchema.table("task_queue", {
  name: text().primaryKey(),
  /** Nothing is claimed from it since. */
  pausedAt: instant("paused_at"),
  pauseReason: text("pause_reason"),
  updatedAt: instant("updated_at").notNull().default(sql`now()`),
});

/** One row a server: where it is, who has it, and until when it may act. */
export const taskSidecar = rayferrySchema.table("task_sidecar", {
  id: uuid().primaryKey(),
  /** The incarnation that submits to it, or the last one that did. Others may hold executions that it has. */
  holder: uuid()
    .notNull()
    .references(() => taskWorkerLease.id),
  /** The name of the worker that submits to it. */
  worker: text().notNull(),
  /** The server's own id, drawn at its start. */
  epoch: text().notNull().unique("task_sidecar_epoch"),
  endpoint: text().notNull(),
  build: text().notNull(),
  pid: integer().notNull(),
  /** It outlives its worker's process: in an actor, or started by hand. */
  outlives: boolean().notNull().default(false),
  /** Of a server in a detached actor. */
  actorName: text("actor_name"),
  namespace: text(),
  /** Package build and task code of a server in an actor. */
  generation: text(),
  rayAddress: text("ray_address"),
  rayVersion: text("ray_version"),
  nodes: integer(),
  cpus: doublePrecision(),
  gpus: doublePrecision(),
  startedAt: instant("started_at").notNull().default(sql`now()`),
  /** The server stops its work by itself before this, should nobody renew it. Nobody requeues what it holds before this + 2 s. */
  authorityUntil: instant("authority_until").notNull(),
  /** Known to be dead since: its process ended, or Ray said so. */
  endedAt: instant("ended_at"),
  /** Nothing that it held is left to requeue. */
  emptiedAt: instant("emptied_at"),
});

/** The tasks that workers have registered: names and signatures, so that enqueue can refuse what can't run. */
export const taskDefinition = rayferrySchema.table("task_definition", {
  name: text().primaryKey(),
  module: text().notNull(),
  kind: text().notNull(),
  queue: text().notNull(),
  numCpus: doublePrecision("num_cpus").notNull(),
  doc: text(),
  parameters: jsonb().$type<TaskParameter[]>().notNull(),
  /** What the task's author gave; null where nothing. */
  maxAttempts: integer("max_attempts"),
  retry: jsonb().$type<Readonly<Record<string, unknown>>>(),
  timeoutSeconds: doublePrecision("timeout_seconds"),
  queueTimeoutSeconds: doublePrecision("queue_timeout_seconds"),
  registeredAt: instant("registered_at").notNull().default(sql`now()`),
});

/** A parameter of a task, as Python's `inspect.signature` tells it. */
export interface TaskParameter {
  readonly name: string;
  readonly kind: "positional_only" | "positional_or_keyword" | "var_positional" | "keyword_only" | "var_keyword";
  readonly required: boolean;
  /** The annotation's source text, or null. */
  readonly annotation: string | null;
  /** `repr` of the default, or null where there is none. */
  readonly default: string | null;
}

/** Fences: new at each claim, never reused. */
export const fenceSequence = rayferrySchema.sequence("fence");
