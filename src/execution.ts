/** The nouns: what an execution, an attempt and a worker's lease look like to a reader. */
import type { TaskError } from "./errors.ts";
import { decodePayload } from "./payload.ts";
import { type Retry, toRetry } from "./retry-options.ts";
import type { PartialRetry } from "./retry-policy.ts";

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

/** Of what is held for more than a moment. SUBMITTED: sent. PENDING: its server has it, Ray hasn't begun it. RUNNING: its code has begun. */
export type AttemptPhase = "SUBMITTED" | "PENDING" | "RUNNING";

/** One attempt of an execution. `outcome` is the state it ended in, or is in now. */
export interface RayTaskAttempt {
  readonly fence: number;
  readonly attempt: number;
  readonly outcome: string;
  readonly worker: string | null;
  readonly error: TaskError | null;
  readonly rayTaskId: string | null;
  readonly rayNodeId: string | null;
  readonly rayWorkerId: string | null;
  readonly pid: number | null;
  readonly claimedAt: Date | null;
  readonly startedAt: Date | null;
  readonly finishedAt: Date | null;
}

export type WorkerState = "STARTING" | "READY" | "DRAINING" | "STOPPED" | "LOST";

/** One worker incarnation's lease. */
export interface TaskWorkerLease {
  readonly id: string;
  readonly name: string;
  readonly host: string;
  readonly pid: number;
  readonly version: string;
  readonly queues: readonly string[];
  readonly tasks: readonly string[];
  readonly slots: number | null;
  readonly running: number;
  readonly state: WorkerState;
  readonly lastError: string | null;
  readonly startedAt: Date;
  readonly heartbeatAt: Date;
  readonly expiresAt: Date;
  readonly stoppedAt: Date | null;
}

/** An execution as `readExecutions` answers it: JSON, instants as ISO strings, payloads as text. */
export interface ExecutionRow {
  readonly id: string;
  readonly seq: number;
  readonly task: string;
  readonly queue: string;
  readonly state: TaskState;
  readonly priority: number;
  readonly attempt: number;
  readonly max_attempts: number | null;
  readonly retry: PartialRetry | null;
  readonly timeout_seconds: number | null;
  readonly expires_at: string | null;
  readonly infrastructure_losses: number;
  readonly input_json: string | null;
  readonly input_base64: string | null;
  readonly result_json: string | null;
  readonly result_base64: string | null;
  readonly error: TaskError | null;
  readonly tags: readonly string[];
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly wait_reason: string | null;
  readonly worker: string | null;
  readonly ray_task_id: string | null;
  readonly ray_node_id: string | null;
  readonly ray_worker_id: string | null;
  readonly pid: number | null;
  readonly created_at: string;
  readonly run_at: string;
  readonly claimed_at: string | null;
  readonly started_at: string | null;
  readonly finished_at: string | null;
  readonly cancel_requested_at: string | null;
  readonly cancel_reason: string | null;
}

/** What an execution's own methods need of its backend. */
export interface ExecutionActions {
  waitForResult(id: string, task: string, options: ResultOptions): Promise<unknown>;
  cancel(id: string, options: CancelOptions): Promise<RayTaskExecution>;
  get(id: string): Promise<RayTaskExecution>;
}

export interface ResultOptions {
  /** Seconds to wait; default: for ever. */
  readonly timeout?: number;
  /** Ends the waiting, not the execution. */
  readonly signal?: AbortSignal;
}

export interface CancelOptions {
  /** Kept with the execution. */
  readonly reason?: string;
}

/** One execution, as it was when it was read. `refresh()` reads it again. */
export class RayTaskExecution<Output = unknown> {
  readonly id: string;
  readonly task: string;
  readonly queue: string;
  readonly state: TaskState;
  /** Higher first. */
  readonly priority: number;
  /** Tries that count, the current one included. */
  readonly attempt: number;
  /** Null until a worker that knows the task has claimed it, where the call didn't say. */
  readonly maxAttempts: number | null;
  /** When a failed attempt is followed by another. Settled together with `maxAttempts`. */
  readonly retry: Retry;
  /** Seconds that an attempt may run, from its real start; null: for ever, or the task's own, settled together with `maxAttempts`. */
  readonly timeoutSeconds: number | null;
  /** EXPIRED if it hasn't begun by then; null once it has. */
  readonly expiresAt: Date | null;
  readonly infrastructureLosses: number;
  readonly tags: readonly string[];
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly error: TaskError | null;
  /** Why a queued one isn't running, where there is something to say. */
  readonly waitReason: string | null;
  /** Name of the worker that claimed it last. */
  readonly worker: string | null;
  readonly rayTaskId: string | null;
  readonly rayNodeId: string | null;
  readonly rayWorkerId: string | null;
  /** Of the Ray process that ran it. */
  readonly pid: number | null;
  readonly createdAt: Date;
  readonly runAt: Date;
  readonly claimedAt: Date | null;
  readonly startedAt: Date | null;
  readonly finishedAt: Date | null;
  readonly cancelRequestedAt: Date | null;
  readonly cancelReason: string | null;
  readonly #row: ExecutionRow;
  readonly #actions: ExecutionActions;

  constructor(row: ExecutionRow, actions: ExecutionActions) {
    this.#row = row;
    this.#actions = actions;
    this.id = row.id;
    this.task = row.task;
    this.queue = row.queue;
    this.state = row.state;
    this.priority = row.priority;
    this.attempt = row.attempt;
    this.maxAttempts = row.max_attempts;
    this.retry = toRetry(row.retry);
    this.timeoutSeconds = row.timeout_seconds;
    this.expiresAt = instant(row.expires_at);
    this.infrastructureLosses = row.infrastructure_losses;
    this.tags = row.tags;
    this.metadata = row.metadata;
    this.error = row.error;
    this.waitReason = row.wait_reason;
    this.worker = row.worker;
    this.rayTaskId = row.ray_task_id;
    this.rayNodeId = row.ray_node_id;
    this.rayWorkerId = row.ray_worker_id;
    this.pid = row.pid;
    this.createdAt = new Date(row.created_at);
    this.runAt = new Date(row.run_at);
    this.claimedAt = instant(row.claimed_at);
    this.startedAt = instant(row.started_at);
    this.finishedAt = instant(row.finished_at);
    this.cancelRequestedAt = instant(row.cancel_requested_at);
    this.cancelReason = row.cancel_reason;
  }

  /** The arguments: an object (keyword arguments) or an array (positional ones). */
  get input(): unknown {
    return decodePayload({ json: this.#row.input_json, bytes: fromBase64(this.#row.input_base64) });
  }

  /** The value as it was when this was read: undefined unless SUCCEEDED. Use `result()` to wait for it. */
  get value(): unknown {
    if (this.state !== "SUCCEEDED") return undefined;
    return decodePayload({ json: this.#row.result_json, bytes: fromBase64(this.#row.result_base64) });
  }

  /**
   * Waits until it ends and gives the task's return value. Woken by Postgres, with a poll behind it.
   *
   * @throws ExecutionFailedError with Python's type, message and traceback. @throws ExecutionCancelledError, ExecutionExpiredError, ExecutionLostError
   * @throws ResultTimeoutError when it hasn't ended after `timeout` seconds; it goes on.
   */
  async result(options: ResultOptions = {}): Promise<Output> {
    return (await this.#actions.waitForResult(this.id, this.task, options)) as Output;
  }

  /** Cancels it: at once when it is queued; when it runs, it is interrupted, then killed. */
  cancel(options: CancelOptions = {}): Promise<RayTaskExecution> {
    return this.#actions.cancel(this.id, options);
  }

  /** Reads it again. */
  refresh(): Promise<RayTaskExecution> {
    return this.#actions.get(this.id);
  }

  /** What `--json` prints: everything, with input and result as values. */
  toJSON(): object {
    return Object.assign({}, this, { input: this.input, result: this.value ?? null });
  }
}

function instant(text: string | null): Date | null {
  return text === null ? null : new Date(text);
}

/** Bytes of a base64 column. */
export function fromBase64(text: string | null): Uint8Array | null {
  return text === null ? null : new Uint8Array(Buffer.from(text, "base64"));
}
