import { uuidv7 } from "uuidv7";
import type { RayTaskAttempt } from "./attempt.ts";
import type { CancelFilter } from "./cancel-filter.ts";
import { cancelByFilter } from "./cancel-many.ts";
import { type DrainReport, type DrainWait, drainByName } from "./draining.ts";
import { checkEnqueueOptions, checkId, checkItem, checkQueueName, type EnqueueOptions } from "./enqueue-options.ts";
import { ClosedError, ConfigurationError, ExecutionNotFoundError } from "./errors.ts";
import { type ExecutionActions, RayTaskExecution } from "./execution.ts";
import type { ExecutionRow } from "./execution-row.ts";
import { checkFilter, checkStatsFilter } from "./list-filter.ts";
import { deleteById, readById, rerunById, retryById } from "./manual-verbs.ts";
import { resultOf } from "./outcome.ts";
import { type EncodedPayload, encodePlain, LARGEST_INPUT_BYTES, MAX_INPUT_BYTES } from "./payload.ts";
import { toPlain } from "./plain-value.ts";
import { TaskRegistry } from "./registry.ts";
import { ResultWaiter } from "./result-waiter.ts";
import { toPartialRetry } from "./retry-options.ts";
import { cancel } from "./store/cancel.ts";
import type { CancelCounts } from "./store/cancel-many.ts";
import { borrow, connect, type Store, within } from "./store/connection.ts";
import { enqueue, type NewExecution, wake } from "./store/enqueue.ts";
import { type ListFilter, list } from "./store/list.ts";
import { type PauseRow, pause } from "./store/pause.ts";
import type { CallerClient } from "./store/queryable.ts";
import { readQueues } from "./store/queues.ts";
import { readAttempts, readExecutions, readExisting, readWorkers } from "./store/read.ts";
import { repeating } from "./store/repeat.ts";
import { resume } from "./store/resume.ts";
import { type StatsFilter, stats } from "./store/stats.ts";
import { timely } from "./store/timely.ts";
import { didYouMean } from "./suggest.ts";
import type { Task } from "./task.ts";
import type { QueuePause, TaskQueue } from "./task-queue.ts";
import type { TaskState } from "./task-state.ts";
import type { CancelOptions, RerunOptions, ResultOptions, VerbOptions } from "./verb-options.ts";
import { checkVerbOptions } from "./verb-options.ts";
import { Waker } from "./waker.ts";
import type { TaskWorkerLease } from "./worker-lease.ts";
import { toRow } from "./written-row.ts";

export interface BackendOptions {
  /** `postgres://user:password@host:5432/database`. Give this or `client`. Default: the environment's RAYFERRY_DATABASE_URL. */
  readonly databaseUrl?: string;
  /** A postgres.js client or a drizzle database of yours, which stays yours: `close()` leaves it open. */
  readonly client?: CallerClient;
  /** Past a transaction pooler in `databaseUrl`, for notifications alone; default: the environment's RAYFERRY_LISTEN_URL. */
  readonly listenUrl?: string;
  /** The schema of rayferry's tables; default `rayferry`. */
  readonly schema?: string;
  /** Largest input in bytes; default 1 MiB, at most 32 MiB. */
  readonly maxInputBytes?: number;
}

const OPTIONS = ["databaseUrl", "client", "listenUrl", "schema", "maxInputBytes"];

/** One of many to `enqueueMany`. */
export interface EnqueueItem {
  readonly task: string | Task<never, unknown>;
  readonly input?: unknown;
  readonly options?: Omit<EnqueueOptions, "tx">;
}

/** What a Node service holds: enqueue, look, wait, cancel. Opens connections at its first use; `close()` ends them. */
export class RayTaskBackend implements AsyncDisposable {
  readonly #store: Store;
  /** For what is harmless to repeat. */
  readonly #patient: Store;
  readonly #maxInputBytes: number;
  readonly #registry: TaskRegistry;
  readonly #waiter: ResultWaiter;
  readonly #waker: Waker;
  readonly #actions: ExecutionActions;
  #closed = false;

  /** @throws ConfigurationError */
  constructor(options: BackendOptions = {}) {
    for (const name of Object.keys(options)) {
      if (!OPTIONS.includes(name))
        throw new ConfigurationError(`RayTaskBackend has no option "${name}".${didYouMean(name, OPTIONS)}`);
    }
    this.#store = openStore(options);
    this.#patient = repeating(this.#store);
    this.#maxInputBytes = checkMaxInput(options.maxInputBytes ?? MAX_INPUT_BYTES);
    this.#registry = new TaskRegistry(this.#patient);
    this.#waiter = new ResultWaiter(this.#store);
    this.#waker = new Waker((queues) => wake(this.#store, queues));
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
    const [execution] = await this.#write([await this.#prepare(nameOf(task), input, rest, tx)], tx);
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
      const { task, input = {}, options: given = {} } = item;
      prepared.push(await this.#prepare(nameOf(task), input, given, options.tx, `items[${index}].input`));
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
    checkFilter(filter);
    const rows = await timely(this.#patient, () => list(this.#patient, filter));
    const { after } = filter;
    if (after !== undefined && rows.length === 0 && (await readExisting(this.#patient, [after])).length === 0)
      throw new ExecutionNotFoundError(
        `There is no execution ${after} to list what is older than: it was removed, or was never there. Begin again without after.`,
      );
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
    const answer = await cancel(store, id, options.reason ?? null);
    if (answer === null) throw new ExecutionNotFoundError(`There is no execution ${id}.`);
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
    const input = given ? this.#encode(options.input, "input") : null;
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
    return toPause(await pause(store, name, options.reason ?? null));
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
    return (await readQueues(this.#patient)).map((row) => {
      const { ready, scheduled, held, workers } = row;
      return { ...toPause(row), ready, scheduled, held, workers };
    });
  }

  /**
   * Asks the live worker of that name to claim no more and to hand back what it hasn't begun, and waits until it holds nothing. It stays alive; one
   * that starts later under the name isn't drained.
   *
   * @throws WorkerNotFoundError
   */
  async drain(name: string, options: DrainWait = {}): Promise<DrainReport> {
    this.#checkOpen();
    checkVerbOptions("drain", options, ["timeout", "signal"]);
    const { timeout } = options;
    if (timeout !== undefined && !(timeout >= 0))
      throw new ConfigurationError(`timeout must be a number of seconds, 0 or more, not ${timeout}.`);
    return await drainByName(this.#patient, name, options);
  }

  /** Ends the connections that this opened; who waits for a result gets a ClosedError. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#waker.flush();
    await this.#waiter.close();
    await this.#store.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #prepare(
    task: string,
    input: unknown,
    options: EnqueueOptions,
    tx: CallerClient | undefined,
    name = "input",
  ): Promise<NewExecution> {
    this.#checkOpen();
    const { payload, plain } = this.#encode(input, name);
    // A pool of the caller's may have no connection but the transaction's left.
    const store = tx === undefined || this.#store.own ? this.#patient : within(this.#store, tx);
    await this.#registry.check(task, plain, store);
    return {
      id: options.id?.toLowerCase() ?? uuidv7(),
      task,
      queue: options.queue ?? null,
      priority: options.priority ?? 0,
      runAt: options.runAt ?? null,
      delaySeconds: options.delay ?? null,
      maxAttempts: options.maxAttempts ?? null,
      retry: toPartialRetry(options.retry),
      timeoutSeconds: options.timeout ?? null,
      queueTimeoutSeconds: options.queueTimeout ?? null,
      input: payload,
      tags: options.tags ?? [],
      // A Map, a Set or what has toJSON() says JSON exactly only when it has been made plain.
      metadata: toPlain(options.metadata ?? {}, "metadata").plain as Readonly<Record<string, unknown>>,
    };
  }

  #encode(input: unknown, name: string): { payload: EncodedPayload; plain: unknown } {
    const plain = toPlain(input, name);
    return { payload: encodePlain(plain, name, this.#maxInputBytes), plain: plain.plain };
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
    const store = tx === undefined ? this.#patient : within(this.#store, tx);
    const answers = new Map((await enqueue(store, executions, !store.own)).map((row) => [row.id, row]));
    // Those too that were there already: it may be the answer to our own first try that was lost.
    if (store.own) this.#waker.wake([...answers.values()].map((row) => (row.ready ? row.queue : "")));
    // Another connection may have written the same id at the same moment: its row is not in the statement's own snapshot.
    // One that was there before is answered as it is.
    const missing = executions.filter((each) => answers.get(each.id)?.written !== true).map((each) => each.id);
    const others = missing.length === 0 ? [] : await readExecutions(store, missing);
    const rows = new Map<string, ExecutionRow>(others.map((row) => [row.id, row]));
    for (const each of executions) {
      const answer = answers.get(each.id);
      if (answer?.written === true) rows.set(each.id, toRow(each, answer));
    }
    return executions.flatMap(({ id }) => {
      const row = rows.get(id);
      return row === undefined ? [] : [new RayTaskExecution(row, this.#actions)];
    });
  }

  async #waitForResult(id: string, task: string, options: ResultOptions): Promise<unknown> {
    this.#checkOpen();
    return resultOf(await this.#waiter.wait(id, options), task);
  }

  #checkOpen(): void {
    if (this.#closed) throw new ClosedError("This backend is closed.");
  }
}

function toPause({ name, paused_at, pause_reason }: PauseRow): QueuePause {
  return { name, pausedAt: paused_at === null ? null : new Date(paused_at), pauseReason: pause_reason };
}

function openStore(options: BackendOptions): Store {
  if (options.client !== undefined) {
    if (options.databaseUrl !== undefined) throw new ConfigurationError("Give databaseUrl or client, not both.");
    if (options.listenUrl !== undefined)
      throw new ConfigurationError("listenUrl goes with databaseUrl, not with client.");
    return borrow(options.client, options.schema);
  }
  const databaseUrl = options.databaseUrl ?? process.env["RAYFERRY_DATABASE_URL"];
  if (databaseUrl === undefined) {
    throw new ConfigurationError(
      "RayTaskBackend needs { databaseUrl } or { client }, or RAYFERRY_DATABASE_URL in the environment (`rayferry dev` prints it, and sets it for what it runs after --).",
    );
  }
  const listenUrl = options.listenUrl ?? process.env["RAYFERRY_LISTEN_URL"];
  return connect({
    databaseUrl,
    ...(listenUrl ? { listenUrl } : {}),
    ...(options.schema === undefined ? {} : { schema: options.schema }),
  });
}

function checkMaxInput(bytes: number): number {
  if (Number.isInteger(bytes) && bytes > 0 && bytes <= LARGEST_INPUT_BYTES) return bytes;
  throw new ConfigurationError(`maxInputBytes must be a whole number from 1 to ${LARGEST_INPUT_BYTES}, not ${bytes}.`);
}

function nameOf(task: unknown): string {
  const name =
    typeof task === "string" ? task : task !== null && typeof task === "object" ? Reflect.get(task, "name") : undefined;
  if (typeof name === "string" && name.length > 0 && name.length <= 200) return name;
  throw new ConfigurationError("A task is named by a string of 1 to 200 characters, or by what defineTask gave.");
}
