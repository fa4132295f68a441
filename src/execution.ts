import type { AttemptPhase, Progress } from "./attempt.ts";
import type { TaskError } from "./errors.ts";
import { type ExecutionRow, fromBase64 } from "./execution-row.ts";
import { decodePayload } from "./payload.ts";
import { type Retry, toRetry } from "./retry-options.ts";
import type { TaskState } from "./task-state.ts";
import type { CancelOptions, RerunOptions, ResultOptions, VerbOptions } from "./verb-options.ts";

/** What an execution's own methods need of its backend. */
export interface ExecutionActions {
  waitForResult(id: string, task: string, options: ResultOptions): Promise<unknown>;
  cancel(id: string, options: CancelOptions): Promise<RayTaskExecution>;
  retry(id: string, options: VerbOptions): Promise<RayTaskExecution>;
  rerun(id: string, options: RerunOptions): Promise<RayTaskExecution>;
  delete(id: string, options: VerbOptions): Promise<void>;
  get(id: string): Promise<RayTaskExecution>;
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
