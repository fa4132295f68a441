import { setTimeout as delay } from "node:timers/promises";
import type { RayTaskExecution } from "../../src/index.ts";
import type { Journal } from "./journal.ts";
import type { RayCluster } from "./ray-cluster.ts";
import { waitFor } from "./wait-for.ts";

/** Milliseconds between two short ones. */
const SHORT_EVERY = 100;

export interface SteadyLoadOptions {
  /** Takes `path`, `line` and `seconds`, and keeps a journal; default `sample.journal`. */
  readonly task?: string;
  /** Long ones that are always under way. */
  readonly long: number;
  readonly longSeconds: () => number;
  readonly shortSeconds: () => number;
}

export interface Enqueued {
  readonly name: string;
  readonly execution: RayTaskExecution;
  isDone: boolean;
  /** What it returned. */
  value: unknown;
}

/** Work that never pauses: some long executions always under way, and a stream of short ones. */
export class SteadyLoad {
  readonly enqueued: Enqueued[] = [];
  readonly journal: Journal;
  readonly #cluster: RayCluster;
  readonly #options: Required<SteadyLoadOptions>;
  readonly #results: Promise<void>[] = [];
  #isGoing = true;
  #feeding: Promise<void> = Promise.resolve();

  constructor(cluster: RayCluster, options: SteadyLoadOptions) {
    this.#cluster = cluster;
    this.#options = { task: "sample.journal", ...options };
    this.journal = cluster.journal();
  }

  start(): void {
    this.#feeding = this.#feed();
    this.#feeding.catch(() => {});
  }

  /** Long ones that haven't ended. */
  get underWay(): readonly RayTaskExecution[] {
    return this.enqueued.filter(({ name, isDone }) => isLong(name) && !isDone).map(({ execution }) => execution);
  }

  get names(): readonly string[] {
    return this.enqueued.map(({ name }) => name);
  }

  async untilLongOnesRun(): Promise<void> {
    const { long } = this.#options;
    await waitFor("the long ones are enqueued", () => this.underWay.length === long);
    await this.journal.untilBegun(this.enqueued.map(({ name }) => name).filter(isLong), 60_000);
  }

  /** A short one that hadn't ended has ended. */
  async untilNextShort(timeoutMs = 60_000): Promise<void> {
    const ended = () => this.enqueued.filter(({ name, isDone }) => isDone && !isLong(name)).length;
    const before = ended();
    await waitFor("a short one has ended", () => ended() > before, timeoutMs);
  }

  /** Enqueues no more, and waits until all have ended. */
  async finish(): Promise<void> {
    this.#isGoing = false;
    await this.#feeding;
    await Promise.all(this.#results);
  }

  /** Each body ran once, and nothing was lost but so many claims (see there). */
  async expectOnce(): Promise<number> {
    const executions = this.enqueued.map(({ execution }) => execution);
    return await this.#cluster.expectOnce(executions, this.journal, this.names);
  }

  /** What those returned that were claimed before and after a moment, and when the last of each value had ended. */
  async valuesBy(moment: Date) {
    const values = { before: new Set<unknown>(), after: new Set<unknown>() };
    const last = new Map<unknown, Date>();
    for (const { execution, value } of this.enqueued) {
      const { claimedAt, finishedAt } = await execution.refresh();
      if (claimedAt === null || finishedAt === null) throw new Error(`${execution.id} hasn't ended.`);
      values[claimedAt > moment ? "after" : "before"].add(value);
      if (finishedAt > (last.get(value) ?? 0)) last.set(value, finishedAt);
    }
    return { values: { before: [...values.before].sort(), after: [...values.after].sort() }, last };
  }

  async #feed(): Promise<void> {
    const { long, longSeconds, shortSeconds } = this.#options;
    for (let number = 1; this.#isGoing; number += 1) {
      if (this.underWay.length < long) await this.#enqueue(`long-${number}`, longSeconds(), 1);
      await this.#enqueue(`short-${number}`, shortSeconds(), 0);
      await delay(SHORT_EVERY);
    }
  }

  async #enqueue(line: string, seconds: number, priority: number): Promise<void> {
    const input = { path: this.journal.path, line, seconds };
    const execution = await this.#cluster.backend.enqueue(this.#options.task, input, { priority });
    const enqueued = { name: line, execution, isDone: false, value: undefined as unknown };
    this.enqueued.push(enqueued);
    const result = execution.result({ timeout: 300 }).then((value) => {
      enqueued.isDone = true;
      enqueued.value = value;
    });
    result.catch(() => {});
    this.#results.push(result);
  }
}

function isLong(name: string): boolean {
  return name.startsWith("long-");
}
