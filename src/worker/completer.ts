import { setTimeout as sleep } from "node:timers/promises";
import type { ServerMessageOf, WorkerMessage } from "../../bridge/src/index.ts";
import type { TaskError } from "../errors.ts";
import type { Logger } from "../logger.ts";
import { type Completion, complete } from "../store/complete.ts";
import type { Store } from "../store/connection.ts";
import { isContentError } from "../store/database-error.ts";
import { type LostAttempt, requeue } from "../store/requeue.ts";
import type { HeldAttempts } from "./held.ts";
import { Loop } from "./loop.ts";
import { judge } from "./verdict.ts";

/** Rows a statement. */
const BATCH = 1_000;
/** The loop is woken by results; this is only its heartbeat. */
const IDLE = 60_000;
/** Bytes of values that wait for Postgres at which the server is asked to wait too. */
const MOST_BYTES = 16 * 1024 * 1024;
/** What a result takes beside its value, roughly. */
const RESULT_BYTES = 500;

type Result = ServerMessageOf<"result">;

interface Pending {
  readonly result: Result;
  readonly receivedAt: number;
  readonly cancelAsked: boolean;
}

export interface CompleterOptions {
  readonly store: Store;
  readonly send: (message: WorkerMessage) => void;
  /** While held, the server sends no more than its credit. */
  readonly hold: (isHeld: boolean) => void;
  readonly held: HeldAttempts;
  readonly holder: string;
  readonly logger: Logger;
  /** Slots are free again. */
  readonly onRoom: () => void;
  readonly onError: (error: unknown) => void;
}

/**
 * Writes results back in batches: what comes while a statement is under way goes into the next one. The server keeps a result until it is told that
 * Postgres has it, so that nothing is lost while Postgres is gone.
 */
export class Completer {
  readonly #options: CompleterOptions;
  readonly #loop: Loop;
  #pending: Pending[] = [];
  #bytes = 0;
  /** Write-backs that lost to a newer fence or holder. */
  refused = 0;

  constructor(options: CompleterOptions) {
    this.#options = options;
    this.#loop = new Loop(() => this.runOnce(), options.onError);
  }

  start(): void {
    this.#loop.start();
  }

  stop(): Promise<void> {
    return this.#loop.stop();
  }

  add(result: Result): void {
    const held = this.#options.held.find(result.execution, result.fence);
    this.#pending.push({ result, receivedAt: performance.now(), cancelAsked: held?.cancelling ?? false });
    this.#count(sizeOf(result));
    this.#loop.wake();
  }

  /** Resolves when nothing is left to write, or after `milliseconds`. */
  async flush(milliseconds: number): Promise<void> {
    const until = performance.now() + milliseconds;
    while (this.#pending.length > 0 && performance.now() < until) await sleep(20);
  }

  async runOnce(): Promise<number> {
    const batch = this.#pending.slice(0, BATCH);
    if (batch.length === 0) return IDLE;
    await this.#record(batch);
    this.#pending = this.#pending.slice(batch.length);
    this.#count(-batch.reduce((sum, { result }) => sum + sizeOf(result), 0));
    this.#options.onRoom();
    return this.#pending.length > 0 ? 0 : IDLE;
  }

  #count(bytes: number): void {
    const before = this.#bytes > MOST_BYTES;
    this.#bytes += bytes;
    const isFull = this.#bytes > MOST_BYTES;
    if (isFull !== before) this.#options.hold(isFull);
  }

  /** Writes a batch; where Postgres refuses it for what is in it, halves, so that a row that can't be stored stops no other. */
  async #record(batch: readonly Pending[]): Promise<void> {
    try {
      await this.#write(batch);
    } catch (error) {
      // A full disk or a cancelled statement says nothing about the result: it is written later.
      if (!isContentError(error)) throw error;
      const [only] = batch;
      if (batch.length > 1) {
        const middle = batch.length >> 1;
        await this.#record(batch.slice(0, middle));
        await this.#record(batch.slice(middle));
      } else if (only !== undefined) {
        await this.#write([{ ...only, result: unstorable(only.result, error) }]);
      }
    }
    this.#settle(batch);
  }

  async #write(batch: readonly Pending[]): Promise<void> {
    const { store, holder, logger } = this.#options;
    const ended = batch.filter(({ result, cancelAsked }) => judge(result, cancelAsked) === "complete");
    const lost = batch.filter((each) => !ended.includes(each));
    if (ended.length > 0) {
      const accepted = await complete(store, holder, ended.map(toCompletion));
      const refused = ended.filter(({ result }) => !accepted.has(result.execution));
      this.refused += refused.length;
      for (const { result } of refused)
        logger.warn(
          { execution: result.execution, fence: result.fence },
          "refused a late result: the execution has another holder or fence",
        );
    }
    if (lost.length > 0) {
      const rows = await requeue(store, holder, lost.map(toLost));
      for (const row of rows)
        logger.warn({ execution: row.id, state: row.state }, "an attempt was lost to infrastructure");
    }
  }

  #settle(batch: readonly Pending[]): void {
    const { held, send } = this.#options;
    for (const { result } of batch) held.drop(result.execution, result.fence);
    send({ type: "recorded", attempts: batch.map(({ result }) => [result.execution, result.fence] as const) });
  }
}

function sizeOf(result: Result): number {
  return RESULT_BYTES + (result.value?.byteLength ?? 0);
}

function toCompletion({ result, receivedAt }: Pending): Completion {
  const { run } = result;
  return {
    id: result.execution,
    fence: result.fence,
    state: result.outcome === "SUCCEEDED" || result.outcome === "CANCELLED" ? result.outcome : "FAILED",
    contentType: result.outcome === "SUCCEEDED" ? result.content_type : null,
    value: result.outcome === "SUCCEEDED" ? result.value : null,
    error:
      result.outcome === "FAILED" || result.outcome === "TIMED_OUT"
        ? (result.error ?? failure("TaskError", "Unknown", "the sidecar named no error"))
        : null,
    run: {
      rayTaskId: run.ray_task_id,
      nodeId: run.node_id,
      workerId: run.worker_id,
      pid: run.pid,
      runSeconds: run.run_seconds,
      ageSeconds: run.age_seconds + (performance.now() - receivedAt) / 1000,
    },
  };
}

function toLost({ result }: Pending): LostAttempt {
  // Cancelled, and not by the user: this worker stopped it.
  const error = result.outcome === "LOST" ? result.error : null;
  return {
    id: result.execution,
    fence: result.fence,
    error: error ?? failure("ServerStopped", "ServerStopped", "its worker stopped or restarted"),
  };
}

function unstorable(result: Result, error: unknown): Result {
  const reason = error instanceof Error ? error.message : String(error);
  return {
    ...result,
    outcome: "FAILED",
    content_type: null,
    value: null,
    error: failure("ResultNotStorable", "ResultNotStorable", `Postgres refused the result: ${reason}`),
  };
}

function failure(code: string, type: string, message: string): TaskError {
  return { code, type, bases: [], message, traceback: null };
}
