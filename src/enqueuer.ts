import { uuidv7 } from "uuidv7";
import type { EnqueueOptions } from "./enqueue-options.ts";
import { ConfigurationError } from "./errors.ts";
import type { ExecutionRow } from "./execution-row.ts";
import { type EncodedPayload, encodePlain } from "./payload.ts";
import { toPlain } from "./plain-value.ts";
import type { TaskRegistry } from "./registry.ts";
import { toPartialRetry } from "./retry-options.ts";
import { type Store, within } from "./store/connection.ts";
import { enqueue, type NewExecution, wake } from "./store/enqueue.ts";
import type { CallerClient } from "./store/queryable.ts";
import { readExecutions } from "./store/read.ts";
import type { Task } from "./task.ts";
import { Waker } from "./waker.ts";
import { toRow } from "./written-row.ts";

/** One of many to `enqueueMany`. */
export interface EnqueueItem {
  readonly task: string | Task<never, unknown>;
  readonly input?: unknown;
  readonly options?: Omit<EnqueueOptions, "tx">;
}

/** From a call to its row: named, encoded, checked against the registered tasks, written, and told to workers. */
export class Enqueuer {
  readonly #store: Store;
  /** For what is harmless to repeat. */
  readonly #patient: Store;
  readonly #maxInputBytes: number;
  readonly #registry: TaskRegistry;
  readonly #waker: Waker;

  /** `patient`: the same as `store`, the one that `registry` reads by. */
  constructor(store: Store, patient: Store, registry: TaskRegistry, maxInputBytes: number) {
    this.#store = store;
    this.#patient = patient;
    this.#maxInputBytes = maxInputBytes;
    this.#registry = registry;
    this.#waker = new Waker((queues) => wake(store, queues));
  }

  /** What is written of one call. @throws the errors of `enqueue`. */
  async prepare(
    task: unknown,
    input: unknown,
    options: EnqueueOptions,
    tx: CallerClient | undefined,
    name = "input",
  ): Promise<NewExecution> {
    const called = nameOf(task);
    const { payload, plain } = this.encode(input, name);
    // A pool of the caller's may have no connection but the transaction's left.
    const store = tx === undefined || this.#store.own ? this.#patient : within(this.#store, tx);
    await this.#registry.check(called, plain, store);
    return {
      id: options.id?.toLowerCase() ?? uuidv7(),
      task: called,
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

  /** @throws PayloadNotSerializableError, PayloadTooLargeError */
  encode(input: unknown, name: string): { payload: EncodedPayload; plain: unknown } {
    const plain = toPlain(input, name);
    return { payload: encodePlain(plain, name, this.#maxInputBytes), plain: plain.plain };
  }

  /** In one statement: all or none; the rows in the order given. */
  async write(executions: readonly NewExecution[], tx: CallerClient | undefined): Promise<ExecutionRow[]> {
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
      return row === undefined ? [] : [row];
    });
  }

  /** Resolves when workers have been told of everything written. */
  async flush(): Promise<void> {
    await this.#waker.flush();
  }
}

function nameOf(task: unknown): string {
  const name =
    typeof task === "string" ? task : task !== null && typeof task === "object" ? Reflect.get(task, "name") : undefined;
  if (typeof name === "string" && name.length > 0 && name.length <= 200) return name;
  throw new ConfigurationError("A task is named by a string of 1 to 200 characters, or by what defineTask gave.");
}
