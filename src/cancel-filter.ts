import { checkId, checkQueueName } from "./enqueue-options.ts";
import { ConfigurationError } from "./errors.ts";
import { checkStates } from "./list-filter.ts";
import type { CancelTarget } from "./store/cancel-many.ts";
import { didYouMean } from "./suggest.ts";
import { isLive, type TaskState } from "./task-state.ts";

/** Which executions `cancelMany` means: those that are live and fit everything that is given. */
export interface CancelFilter {
  /** Live states: QUEUED, RUNNING. Default: both. One that is CANCELLING already isn't cancelled again. */
  readonly state?: TaskState | readonly TaskState[];
  readonly queue?: string;
  readonly task?: string;
  /** Only those that have this one among their tags. */
  readonly tag?: string;
  /** Enqueued before this moment, by the database's clock. */
  readonly createdBefore?: Date;
  /** Enqueued after this moment. */
  readonly createdAfter?: Date;
  readonly ids?: readonly string[];
  /** Every live execution is meant: a filter that says nothing else must say so. */
  readonly all?: boolean;
}

const FILTERS = ["state", "queue", "task", "tag", "createdBefore", "createdAfter", "ids", "all"];

/** @throws ConfigurationError when a filter isn't known, can't be meant, or says nothing. */
export function toCancelTarget(filter: CancelFilter): CancelTarget {
  check(filter);
  const { state, queue, task, tag, createdBefore, createdAfter, ids } = filter;
  const states = state === undefined ? ["QUEUED", "RUNNING"] : [state].flat();
  return {
    states: (["QUEUED", "RUNNING"] as const).filter((each) => states.includes(each)),
    ...(queue === undefined ? {} : { queue }),
    ...(task === undefined ? {} : { task }),
    ...(tag === undefined ? {} : { tag }),
    ...(createdBefore === undefined ? {} : { createdBefore: createdBefore.toISOString() }),
    ...(createdAfter === undefined ? {} : { createdAfter: createdAfter.toISOString() }),
    ...(ids === undefined ? {} : { ids }),
  };
}

function check(filter: CancelFilter): void {
  for (const name of Object.keys(filter)) {
    if (!FILTERS.includes(name))
      throw new ConfigurationError(
        `cancelMany has no filter "${name}".${didYouMean(name, FILTERS) || ` Filters: ${FILTERS.join(", ")}.`}`,
      );
  }
  const { all, ...narrow } = filter;
  if (all !== undefined && typeof all !== "boolean")
    throw new ConfigurationError(`all must be true or false, not ${JSON.stringify(all)}.`);
  if (all !== true && Object.values(narrow).every((each) => each === undefined))
    throw new ConfigurationError(
      "cancelMany needs a filter: an empty one means every live execution. If that is meant, say { all: true }.",
    );
  checkLiveStates(filter.state);
  if (filter.queue !== undefined) checkQueueName(filter.queue);
  for (const name of ["task", "tag"] as const) checkText(name, filter[name]);
  for (const name of ["createdBefore", "createdAfter"] as const) checkDate(name, filter[name]);
  if (filter.ids !== undefined && !Array.isArray(filter.ids))
    throw new ConfigurationError("ids must be an array of executions' ids.");
  for (const id of filter.ids ?? []) checkId(id);
}

function checkLiveStates(state: CancelFilter["state"]): void {
  checkStates(state);
  for (const each of state === undefined ? [] : [state].flat()) {
    if (!isLive(each))
      throw new ConfigurationError(`What is ${each} has ended and can't be cancelled. States: QUEUED, RUNNING.`);
  }
}

function checkText(name: string, value: unknown): void {
  if (value === undefined || (typeof value === "string" && value !== "" && !value.includes("\0"))) return;
  throw new ConfigurationError(`${name} must be a string that isn't empty, not ${JSON.stringify(value)}.`);
}

function checkDate(name: string, value: unknown): void {
  if (value === undefined || (value instanceof Date && !Number.isNaN(value.getTime()))) return;
  throw new ConfigurationError(`${name} must be a valid Date, not ${String(value)}.`);
}
