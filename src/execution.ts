/** The nouns: what an execution, an attempt and a worker's lease look like to a reader. */
import type { TaskError } from "./errors.ts";
import { decodePayload } from "./payload.ts";
import { type Retry, toRetry } from "./retry-options.ts";
import type { PartialRetry } from "./retry-policy.ts";
import type { CallerClient } from "./store/queryable.ts";

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

/** How far a task says it is: `context.progress(current, total, message)` in Python. */
export interface Progress {
  readonly current: number;
  readonly total: number | null;
  readonly message: string | null;
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

export type WorkerState = "STARTING" | "READY" | "DRAINING" | "STOPPED" | "LOST";

/** One worker incarnation's lease: what it said with its last beat, at most 2 s ago while it is alive. */
export interface TaskWorkerLease {
  readonly id: string;
  readonly name: string;
  readonly host: string;
  readonly pid: number;
  readonly version: string;
  readonly queues: readonly string[];
  readonly tasks: readonly string[];
  /** LOST: its lease has run out. */
  readonly state: WorkerState;
  /** It sweeps for all workers: one of them does. */
  readonly leads: boolean;
  /** Most executions at once; null before it is READY. */
  readonly slots: number | null;
  /** Executions that it holds: sent and not yet taken by the server; waiting for room in Ray; running. */
  readonly submitted: number;
  readonly pending: number;
  readonly running: number;
  /** Write-backs of its own that lost to a newer fence or holder. */
  readonly refused: number;
  /** Whether its server takes work now; null before there is one, and after the end. */
  readonly accepting: boolean | null;
  /** Of the Python process that it started; null with a server that somebody else started. */
  readonly sidecarPid: number | null;
  /** The server that it submits to; null before there is one. */
  readonly server: WorkerServer | null;
  /** Ray as its server last saw it; null without Ray. */
  readonly ray: RayFacts | null;
  /** Its last trouble, or what it waits for while it is STARTING. */
  readonly lastError: string | null;
  readonly lastErrorAt: Date | null;
  readonly drainRequestedAt: Date | null;
  readonly startedAt: Date;
  readonly heartbeatAt: Date;
  /** Seconds since its last beat, by the database's clock. */
  readonly heartbeatAgeSeconds: number;
  readonly expiresAt: Date;
  readonly stoppedAt: Date | null;
}

export interface WorkerServer {
  readonly id: string;
  /** Drawn at its start. */
  readonly epoch: string;
  readonly pid: number;
  readonly build: string;
  readonly endpoint: string;
  /** Of a server in a detached actor. */
  readonly actorName: string | null;
  /** Package build and task code of a server in an actor. */
  readonly generation: string | null;
  /** It is known to be dead. */
  readonly isEnded: boolean;
}

/** Ray as a server sees it; null where Ray can't say. Memory in bytes. */
export interface RayFacts {
  readonly address: string | null;
  readonly version: string | null;
  /** False: it hasn't answered for 10 s. */
  readonly reachable: boolean;
  readonly nodes: number | null;
  readonly cpus: number | null;
  readonly cpusFree: number | null;
  readonly gpus: number | null;
  readonly gpusFree: number | null;
  readonly memory: number | null;
  readonly memoryFree: number | null;
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
  readonly rerun_of: string | null;
  readonly wait_reason: string | null;
  readonly worker: string | null;
  /** Its lease row, where it is held for longer than a beat. */
  readonly lease: { readonly phase: AttemptPhase; readonly progress: Progress | null } | null;
  readonly ray_task_id: string | null;
  readonly ray_node_id: string | null;
  readonly ray_worker_id: string | null;
  readonly pid: number | null;
  readonly created_at: string;
  readonly run_at: string;
  /** Queued beyond its deadline, and not expired yet. */
  readonly overdue: boolean;
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
  retry(id: string, options: VerbOptions): Promise<RayTaskExecution>;
  rerun(id: string, options: RerunOptions): Promise<RayTaskExecution>;
  delete(id: string, options: VerbOptions): Promise<void>;
  get(id: string): Promise<RayTaskExecution>;
}

export interface ResultOptions {
  /** Seconds to wait; default: for ever. */
  readonly timeout?: number;
  /** Ends the waiting, not the execution. */
  readonly signal?: AbortSignal;
}

/** What every verb takes. */
export interface VerbOptions {
  /** Do it in this transaction of yours (postgres.js or drizzle): it is done, and others are told, if, and only if, that commits. */
  readonly tx?: CallerClient;
}

export interface CancelOptions extends VerbOptions {
  /** Kept with the execution. */
  readonly reason?: string;
}

export interface RerunOptions extends VerbOptions {
  /** Default: the input of the old one, exactly. */
  readonly input?: unknown;
  /** UUID of the new execution, made by you: repeating the rerun with it is harmless. Default: a new UUID v7. */
  readonly id?: string;
}

/** Whether a queue is paused. */
export interface QueuePause {
  readonly name: string;
  /** Nothing is claimed from it since; null: it isn't paused. */
  readonly pausedAt: Date | null;
  readonly pauseReason: string | null;
}

/** A queue that has live executions, a live worker, or was paused. */
export interface TaskQueue extends QueuePause {
  /** QUEUED and due. */
  readonly ready: number;
  /** QUEUED for later: scheduled, or backing off. */
  readonly scheduled: number;
  /** RUNNING and CANCELLING. */
  readonly held: number;
  /** Live workers that take from it. */
  readonly workers: number;
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
  readonly retryPolicy: Retry;
  /** Seconds that an attempt may run, from its real start; null: for ever, or the task's own, settled together with `maxAttempts`. */
  readonly timeoutSeconds: number | null;
  /** EXPIRED if it hasn't begun by then; null once it has. */
  readonly expiresAt: Date | null;
  readonly infrastructureLosses: number;
  readonly tags: readonly string[];
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly error: TaskError | null;
  /** The execution that this one is a rerun of; it may have been deleted since. */
  readonly rerunOf: string | null;
  /** Why a queued one isn't running, where there is something to say. */
  readonly waitReason: string | null;
  /** Name of the worker that claimed it last. */
  readonly worker: string | null;
  /** Of one that is RUNNING or CANCELLING for more than 2 to 4 s: how far it came; null else. */
  readonly phase: AttemptPhase | null;
  /** What it last said of its progress, at most some seconds old; null where nothing, and when it has ended. */
  readonly progress: Progress | null;
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
    this.retryPolicy = toRetry(row.retry);
    this.timeoutSeconds = row.timeout_seconds;
    this.expiresAt = instant(row.expires_at);
    this.infrastructureLosses = row.infrastructure_losses;
    this.tags = row.tags;
    this.metadata = row.metadata;
    this.error = row.error;
    this.rerunOf = row.rerun_of;
    this.waitReason = row.wait_reason;
    this.worker = row.worker;
    this.phase = row.lease?.phase ?? null;
    this.progress = row.lease?.progress ?? null;
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

  /**
   * Queues it again, with at least one more attempt allowed and without its old deadline: any that has ended and not SUCCEEDED.
   *
   * @throws ExecutionStateError
   */
  retry(options: VerbOptions = {}): Promise<RayTaskExecution<Output>> {
    return this.#actions.retry(this.id, options) as Promise<RayTaskExecution<Output>>;
  }

  /**
   * A new execution of the same task, with the same input, queue, priority and terms: of any that has ended.
   *
   * @throws ExecutionStateError
   */
  rerun(options: RerunOptions = {}): Promise<RayTaskExecution<Output>> {
    return this.#actions.rerun(this.id, options) as Promise<RayTaskExecution<Output>>;
  }

  /**
   * Removes it and its attempts, once it has ended.
   *
   * @throws ExecutionStateError
   */
  delete(options: VerbOptions = {}): Promise<void> {
    return this.#actions.delete(this.id, options);
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
