import { setTimeout as sleep } from "node:timers/promises";
import { ConfigurationError, WorkerNotFoundError } from "./errors.ts";
import type { Store } from "./store/connection.ts";
import { type DrainedRow, readDrained, readLeft, readLiveNames, requestDrain } from "./store/drain.ts";
import { didYouMean } from "./suggest.ts";
import type { TaskState } from "./task-state.ts";
import { checkVerbOptions } from "./verb-options.ts";

/** An execution that a worker still holds. */
export interface HeldExecution {
  readonly id: string;
  readonly task: string;
  readonly state: TaskState;
  readonly claimedAt: Date;
}

/** How far a drain is. */
export interface DrainReport {
  /** The live incarnations of the name when it was asked for, and what those workers began anew; a worker that starts later isn't drained. */
  readonly incarnations: readonly DrainedRow[];
  /** Executions that they still hold; 0: nothing is left, and nothing will be taken. */
  readonly left: number;
  /** The oldest of them, at most 20. */
  readonly executions: readonly HeldExecution[];
  /** They claim no more, and hold nothing. */
  readonly drained: boolean;
}

export interface DrainWait {
  /** Seconds to wait; default: for ever. 0: asks, and doesn't wait. */
  readonly timeout?: number;
  /** Ends the waiting, not the drain. */
  readonly signal?: AbortSignal;
}

/** Milliseconds between looks. */
const LOOK = 250;
/** Most executions in a report. */
const SHOWN = 20;

/** @throws WorkerNotFoundError, ConfigurationError */
export async function drainByName(store: Store, name: string, options: DrainWait): Promise<DrainReport> {
  checkVerbOptions("drain", options, ["timeout", "signal"]);
  const { timeout, signal } = options;
  if (timeout !== undefined && !(timeout >= 0))
    throw new ConfigurationError(`timeout must be a number of seconds, 0 or more, not ${timeout}.`);
  const ids = await requestDrain(store, name);
  if (ids.length === 0) throw new WorkerNotFoundError(await whyNoWorker(store, name));
  const until = timeout === undefined ? Number.POSITIVE_INFINITY : performance.now() + timeout * 1000;
  let wasEmpty = false;
  while (true) {
    const incarnations = await readDrained(store, name, ids);
    const left = incarnations.reduce((sum, { held }) => sum + held, 0);
    const isEmpty = left === 0 && incarnations.every(({ state }) => state !== "READY" && state !== "STARTING");
    // A claim that began before it was DRAINING may have committed since: one more look sees it.
    const drained = isEmpty && wasEmpty;
    if (drained || (performance.now() >= until && !isEmpty))
      return { incarnations, left, executions: left === 0 ? [] : await readHeldBy(store, incarnations), drained };
    wasEmpty = isEmpty;
    await sleep(Math.min(LOOK, Math.max(20, until - performance.now())), undefined, signal && { signal });
  }
}

async function readHeldBy(store: Store, incarnations: readonly DrainedRow[]): Promise<HeldExecution[]> {
  const rows = await readLeft(
    store,
    incarnations.map(({ id }) => id),
    SHOWN,
  );
  return rows.map(({ id, task, state, claimed_at }) => ({ id, task, state, claimedAt: new Date(claimed_at) }));
}

async function whyNoWorker(store: Store, name: string): Promise<string> {
  const names = await readLiveNames(store);
  const there = names.length === 0 ? "No worker is alive." : `Live workers: ${names.join(", ")}.`;
  return `There is no live worker named ${JSON.stringify(name)}.${didYouMean(name, names)} ${there}`;
}
