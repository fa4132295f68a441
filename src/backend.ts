import type { RayTaskAttempt } from "./attempt.ts";
import { type BackendOptions, checkBackendOptions, checkMaxInput, openStore } from "./backend-options.ts";
import type { CancelFilter } from "./cancel-filter.ts";
import { cancelByFilter } from "./cancel-many.ts";
import { type DrainReport, type DrainWait, drainByName } from "./draining.ts";
import {
  checkEnqueueOptions,
  checkId,
  checkItem,
  checkQueueName,
  type EnqueueOptions,
  toldOf,
} from "./enqueue-options.ts";
import { type EnqueueItem, Enqueuer } from "./enqueuer.ts";
import { ClosedError, ConfigurationError } from "./errors.ts";
import { type ExecutionActions, RayTaskExecution } from "./execution.ts";
import { checkStatsFilter, listByFilter } from "./list-filter.ts";
import { cancelById, deleteById, readById, rerunById, retryById } from "./manual-verbs.ts";
import { resultOf } from "./outcome.ts";
import { TaskRegistry } from "./registry.ts";
import { ResultWaiter } from "./result-waiter.ts";
import type { CancelCounts } from "./store/cancel-many.ts";
import { type Store, within } from "./store/connection.ts";
import type { NewExecution } from "./store/enqueue.ts";
import type { ListFilter } from "./store/list.ts";
import { pause } from "./store/pause.ts";
import type { CallerClient } from "./store/queryable.ts";
import { readAttempts, readWorkers } from "./store/read.ts";
import { repeating } from "./store/repeat.ts";
import { resume } from "./store/resume.ts";
import { type StatsFilter, stats } from "./store/stats.ts";
import type { Task } from "./task.ts";
import { type QueuePause, readTaskQueues, type TaskQueue, toQueuePause } from "./task-queue.ts";
import type { TaskState } from "./task-state.ts";
import {
  type CancelOptions,
  checkVerbOptions,
  type RerunOptions,
  type ResultOptions,
  type VerbOptions,
} from "./verb-options.ts";
import type { TaskWorkerLease } from "./worker-lease.ts";

/** What a Node service holds: enqueue, look, wait, cancel. Opens connections at its first use; `close()` ends them. */
export class RayTaskBackend implements AsyncDisposable {
  readonly #store: Store;
  /** For what is harmless to repeat. */
  readonly #patient: Store;
  readonly #registry: TaskRegistry;
  readonly #enqueuer: Enqueuer;
  readonly #waiter: ResultWaiter;
  readonly #actions: ExecutionActions;
  #closed = false;

  /** @throws ConfigurationError */
  constructor(options: BackendOptions = {}) {
    checkBackendOptions(options);
    this.#store = openStore(options);
    this.#patient = repeating(this.#store);
    this.#registry = new TaskRegistry(this.#patient);
    this.#enqueuer = new Enqueuer(this.#store, this.#patient, this.#registry, checkMaxInput(options.maxInputBytes));
    this.#waiter = new ResultWaiter(this.#store);
    this.#actions = {
      waitForResult: (id, task, given) => this.#waitForResult(id, task, given),
      cancel: (id, given) => this.cancel(id, given),
      retry: (id, given) => this.retry(id, given),
      rerun: (id, given) => this.rerun(id, given),
      delete: (id, given) => this.delete(id, given),
      get: (id) => this.get(id),
    };
  }

  /**
   * Writes one execution. `input`: an object is keyword arguments, an array positional ones.
   *
   * @throws UnknownTaskError, InvalidInputError where workers have registered their tasks; elsewhere the execution ends FAILED with the reason.
   * @throws PayloadNotSerializableError, PayloadTooLargeError, OptionNotSupportedError, ConfigurationError, DatabaseError
   */
  async enqueue<Input, Output>(
    task: Task<Input, Output>,
    input: Input,
    options?: EnqueueOptions,
  ): Promise<RayTaskExecution<Output>>;
  async enqueue<Output = unknown>(
    task: string,
    input?: unknown,
    options?: EnqueueOptions,
  ): Promise<RayTaskExecution<Output>>;
  async enqueue(
    task: string | Task<unknown, unknown>,
    input: unknown = {},
    options: EnqueueOptions = {},
  ): Promise<RayTaskExecution> {
    const { tx, ...rest } = options;
    checkEnqueueOptions(options);
    this.#checkOpen();
    const [execution] = await this.#write([await this.#enqueuer.prepare(task, input, rest, tx)], tx);
    if (execution === undefined)
      throw new ConfigurationError(
        "Postgres answered nothing to an enqueue: is a rule or trigger of yours on rayferry's tables?",
      );
    return execution;
  }

  /** Writes many in one statement: all or none. The errors of `enqueue`, each naming the item by its index. */
  async enqueueMany(
    items: readonly EnqueueItem[],
    options: { readonly tx?: CallerClient } = {},
  ): Promise<RayTaskExecution[]> {
    checkVerbOptions("enqueueMany", options, ["tx"]);
    const prepared: NewExecution[] = [];
    for (const [index, item] of items.entries()) {
      checkItem(item, index);
      this.#checkOpen();
      const { task, input = {}, options: given = {} } = item;
      const name = `items[${index}]`;
      const one = this.#enqueuer.prepare(task, input, given, options.tx, `${name}.input`);
      prepared.push(
        await one.catch((error) => {
          throw toldOf(name, error);
        }),
      );
    }
    return prepared.length === 0 ? [] : await this.#write(prepared, options.tx);
  }

  /** @throws ExecutionNotFoundError */
  async get(id: string): Promise<RayTaskExecution> {
    this.#checkOpen();
    checkId(id);
    return await this.#read(this.#patient, id);
  }

  /**
   * Newest first, 50 unless `limit` (1-200) says otherwise; `after` takes the last id of the page before.
   *
   * @throws ExecutionNotFoundError when there is no execution `after` (any more): an empty page would say that this was the last.
   */
  async list(filter: ListFilter = {}): Promise<RayTaskExecution[]> {
    this.#checkOpen();
    const rows = await listByFilter(this.#patient, filter);
    return rows.map((row) => new RayTaskExecution(row, this.#actions));
  }

  /** How many executions are in each state, every state there. */
  async stats(filter: StatsFilter = {}): Promise<Record<TaskState, number>> {
    this.#checkOpen();
    checkStatsFilter(filter);
    return await stats(this.#patient, filter);
  }

  /** Every attempt of one execution, oldest first. */
  async attempts(id: string): Promise<RayTaskAttempt[]> {
    this.#checkOpen();
    checkId(id);
    return await readAttempts(this.#patient, id);
  }

  /** Worker incarnations that are alive or ended in the last hour, newest first. */
  async workers(): Promise<TaskWorkerLease[]> {
    this.#checkOpen();
    return await readWorkers(this.#patient);
  }

  /**
   * Cancels: a queued execution at once; a running one becomes CANCELLING, is interrupted, then killed. One that has ended stays what it is:
   * look at `state` of what comes back.
   *
   * @throws ExecutionNotFoundError
   */
  async cancel(id: string, options: CancelOptions = {}): Promise<RayTaskExecution> {
    const store = this.#begin("cancel", options, ["reason", "tx"], this.#patient);
    checkId(id);
    await cancelById(store, id, options.reason ?? null);
    return await this.#read(store, id);
  }

  /**
   * Cancels every live execution that fits the filter: 500 at a time in the order of their ids, each batch committed by itself (in a `tx` all with it).
   * What is enqueued meanwhile isn't meant. A batch whose answer was lost with its connection is missing from the counts. With `dryRun` nothing is cancelled: the counts are what would be.
   *
   * @throws ConfigurationError when the filter says nothing and not `all: true`.
   */
  async cancelMany(
    filter: CancelFilter,
    options: CancelOptions & { readonly dryRun?: boolean } = {},
  ): Promise<CancelCounts> {
    const store = this.#begin("cancelMany", options, ["reason", "tx", "dryRun"], this.#patient);
    return await cancelByFilter(store, filter, options.reason ?? null, options.dryRun === true);
  }

  /**
   * Queues again what has ended and not SUCCEEDED: at least one more attempt is allowed, the old deadline and infrastructure losses are forgotten, and the old
   * attempts stay on record.
   *
   * @throws ExecutionNotFoundError @throws ExecutionStateError when it SUCCEEDED (rerun it) or is live.
   */
  async retry(id: string, options: VerbOptions = {}): Promise<RayTaskExecution> {
    const store = this.#begin("retry", options, ["tx"]);
    checkId(id);
    await retryById(store, id);
    return await this.#read(store, id);
  }

  /**
   * A new execution like one that has ended, SUCCEEDED too: the same task, queue, priority, terms, tags, metadata, and input unless another is given.
   * Its `rerunOf` is the old one's id.
   *
   * @throws ExecutionNotFoundError @throws ExecutionStateError when it is live. @throws UnknownTaskError, InvalidInputError, PayloadNotSerializableError,
   * PayloadTooLargeError
   */
  async rerun(id: string, options: RerunOptions = {}): Promise<RayTaskExecution> {
    const store = this.#begin("rerun", options, ["input", "id", "tx"]);
    for (const each of [id, options.id]) if (each !== undefined) checkId(each);
    const old = await this.#read(store, id);
    const given = options.input !== undefined;
    const input = given ? this.#enqueuer.encode(options.input, "input") : null;
    await this.#registry.check(old.task, input?.plain ?? old.input, store);
    const newId = await rerunById(store, id, input?.payload ?? null, options.id?.toLowerCase() ?? null);
    return await this.#read(store, newId);
  }

  /**
   * Removes an execution that has ended, with its attempts.
   *
   * @throws ExecutionNotFoundError @throws ExecutionStateError when it is live: cancel it first.
   */
  async delete(id: string, options: VerbOptions = {}): Promise<void> {
    const store = this.#begin("delete", options, ["tx"]);
    checkId(id);
    await deleteById(store, id);
  }

  /** Nothing is claimed from the queue until it is resumed; what runs goes on. One that is paused already stays so since when it was. */
  async pauseQueue(name: string, options: CancelOptions = {}): Promise<QueuePause> {
    const store = this.#begin("pauseQueue", options, ["reason", "tx"]);
    checkQueueName(name);
    return toQueuePause(await pause(store, name, options.reason ?? null));
  }

  /** The queue is claimed from again, at once. False: it wasn't paused. */
  async resumeQueue(name: string, options: VerbOptions = {}): Promise<boolean> {
    const store = this.#begin("resumeQueue", options, ["tx"]);
    checkQueueName(name);
    return await resume(store, name);
  }

  /** Every queue that is paused, has live executions or a live worker, by name. */
  async queues(): Promise<TaskQueue[]> {
    this.#checkOpen();
    return await readTaskQueues(this.#patient);
  }

  /**
   * Asks the live worker of that name to claim no more and to hand back what it hasn't begun, and waits until it holds nothing. It stays alive; one
   * that starts later under the name isn't drained.
   *
   * @throws WorkerNotFoundError
   */
  async drain(name: string, options: DrainWait = {}): Promise<DrainReport> {
    this.#checkOpen();
    return await drainByName(this.#patient, name, options);
  }

  /** Ends the connections that this opened; who waits for a result gets a ClosedError. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#enqueuer.flush();
    await this.#waiter.close();
    await this.#store.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Where a verb does its work. */
  #begin(verb: string, options: VerbOptions, known: readonly string[], store = this.#store): Store {
    this.#checkOpen();
    checkVerbOptions(verb, options, known);
    return options.tx === undefined ? store : within(this.#store, options.tx);
  }

  async #read(store: Store, id: string): Promise<RayTaskExecution> {
    return new RayTaskExecution(await readById(store, id), this.#actions);
  }

  async #write(executions: readonly NewExecution[], tx: CallerClient | undefined): Promise<RayTaskExecution[]> {
    return (await this.#enqueuer.write(executions, tx)).map((row) => new RayTaskExecution(row, this.#actions));
  }

  async #waitForResult(id: string, task: string, options: ResultOptions): Promise<unknown> {
    this.#checkOpen();
    return resultOf(await this.#waiter.wait(id, options), task);
  }

  #checkOpen(): void {
    if (this.#closed) throw new ClosedError("This backend is closed.");
  }
}
