import { checkId, checkQueueName } from "./enqueue-options.ts";
import { ConfigurationError, ExecutionNotFoundError } from "./errors.ts";
import type { ExecutionRow } from "./execution-row.ts";
import type { Store } from "./store/connection.ts";
import { type ListFilter, list } from "./store/list.ts";
import { readExisting } from "./store/read.ts";
import type { StatsFilter } from "./store/stats.ts";
import { timely } from "./store/timely.ts";
import { didYouMean } from "./suggest.ts";
import { TASK_STATES, type TaskState } from "./task-state.ts";

const FILTERS = ["state", "queue", "task", "tag", "limit", "after"];

/** @throws ConfigurationError when a filter isn't known or can't be meant. */
function checkFilter(filter: ListFilter): void {
  for (const name of Object.keys(filter)) {
    if (!FILTERS.includes(name))
      throw new ConfigurationError(`list has no filter "${name}".${didYouMean(name, FILTERS)}`);
  }
  checkStates(filter.state);
  if (filter.queue !== undefined) checkQueueName(filter.queue);
  if (filter.after !== undefined) checkId(filter.after);
  const { limit = 50 } = filter;
  if (!(Number.isInteger(limit) && limit >= 1 && limit <= 200))
    throw new ConfigurationError(`limit must be a whole number from 1 to 200, not ${limit}.`);
}

/** @throws ConfigurationError, ExecutionNotFoundError when there is no execution `after` (any more). */
export async function listByFilter(store: Store, filter: ListFilter): Promise<ExecutionRow[]> {
  checkFilter(filter);
  const rows = await timely(store, () => list(store, filter));
  const { after } = filter;
  if (after !== undefined && rows.length === 0 && (await readExisting(store, [after])).length === 0)
    throw new ExecutionNotFoundError(
      `There is no execution ${after} to list what is older than: it was removed, or was never there. Begin again without after.`,
    );
  return rows;
}

const STATS_FILTERS = ["queue", "task"];

/** @throws ConfigurationError when a filter isn't known or can't be meant. */
export function checkStatsFilter(filter: StatsFilter): void {
  for (const name of Object.keys(filter)) {
    if (!STATS_FILTERS.includes(name))
      throw new ConfigurationError(
        `stats has no filter "${name}".${didYouMean(name, STATS_FILTERS) || ` Filters: ${STATS_FILTERS.join(", ")}.`}`,
      );
  }
  if (filter.queue !== undefined) checkQueueName(filter.queue);
}

/** @throws ConfigurationError */
export function checkStates(given: TaskState | readonly TaskState[] | undefined): void {
  for (const state of given === undefined ? [] : [given].flat()) {
    if (!TASK_STATES.includes(state))
      throw new ConfigurationError(
        `There is no state ${JSON.stringify(state)}.${didYouMean(String(state), TASK_STATES)} States: ${TASK_STATES.join(", ")}.`,
      );
  }
}
