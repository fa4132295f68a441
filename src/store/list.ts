/**
 * Newest first, by any filter, at a cost that doesn't grow with the table: each state is read from the small index that holds it, the newest of each
 * (queue, task) there, and the newest of those are the page.
 */
import type { ExecutionRow } from "../execution-row.ts";
import { isLive, TASK_STATES, type TaskState } from "../task-state.ts";
import type { Store } from "./connection.ts";
import type { Names } from "./names.ts";
import { queryRows } from "./queryable.ts";
import { executionColumns } from "./read.ts";

export interface ListFilter {
  readonly state?: TaskState | readonly TaskState[];
  readonly queue?: string;
  readonly task?: string;
  /** Only those that have this one among their tags. No index knows tags: one that is rare is looked for row by row. */
  readonly tag?: string;
  /** Most rows, 1-200; default 50. */
  readonly limit?: number;
  /** Only what is older than this execution: the last id of the page before. Answers nothing where that one isn't there. */
  readonly after?: string;
}

/** Newest first. */
export async function list(store: Store, filter: ListFilter): Promise<ExecutionRow[]> {
  const { names } = store;
  if (Array.isArray(filter.state) && filter.state.length === 0) return [];
  const statement = new Statement(names, filter);
  const text = `with recursive ${statement.steps()}
    select to_json(t)::text as row from (
      select ${executionColumns(names)} from ${names.execution} e where e.id = any(array(select id from page)) order by e.seq desc) t`;
  return await queryRows<ExecutionRow>(store, text, statement.parameters);
}

/** One text for each combination of filters: with `$1 is null or ...` for all of them, a prepared plan is made for none. */
class Statement {
  readonly parameters: string[] = [];
  readonly #table: string;
  readonly #stateType: string;
  readonly #filter: ListFilter;
  readonly #states: readonly TaskState[];
  readonly #queue: string | null;
  readonly #task: string | null;
  /** Only what has a lower seq. */
  readonly #before: string;
  readonly #wanted: string;
  /** Written out: a plan made for any limit takes it for a tenth of the table. */
  readonly #limit: number;

  constructor({ execution: table, state: stateType }: Names, filter: ListFilter) {
    const { state, queue, task, tag, after, limit = 50 } = filter;
    this.#table = table;
    this.#stateType = stateType;
    this.#filter = filter;
    this.#states = state === undefined ? TASK_STATES : [state].flat();
    this.#queue = queue === undefined ? null : `${this.#parameter(queue)}::text`;
    this.#task = task === undefined ? null : `${this.#parameter(task)}::text`;
    this.#before =
      after === undefined
        ? "9223372036854775807"
        : `(select seq from ${table} where id = ${this.#parameter(after)}::text::uuid)`;
    this.#wanted = tag === undefined ? "true" : `${this.#parameter(tag)}::text = any(tags)`;
    this.#limit = Math.trunc(limit);
  }

  /** As steps that end in `page(id, seq)`. */
  steps(): string {
    const { state, queue, task } = this.#filter;
    if (state === undefined && queue === undefined && task === undefined)
      return `page as (select id, seq from ${this.#table} where seq < ${this.#before} and ${this.#wanted} order by seq desc limit ${this.#limit})`;
    const sources: [string, string][] = [];
    if (this.#states.includes("QUEUED")) sources.push([this.#queued(), "queued"]);
    if (this.#states.some((each) => isLive(each) && each !== "QUEUED")) sources.push([this.#held(), "held"]);
    if (this.#states.some((each) => !isLive(each))) sources.push([this.#ended(), "ended"]);
    const all = sources.map(([, name]) => `select id, seq from ${name}`).join(" union all ");
    return `${sources.map(([step]) => step).join(", ")}, page as (select id, seq from (${all}) u order by seq desc limit ${this.#limit})`;
  }

  #queued(): string {
    return `${this.#groups("queued_group", "state = 'QUEUED'")}, ${this.#newest("queued", "queued_group", "state = 'QUEUED'", "queue, task")}`;
  }

  #ended(): string {
    const states = this.#stateArray((each) => !isLive(each));
    return `${this.#groups("ended_group", "finished_at is not null")},
      ended_state as (select * from ended_group cross join unnest(${states}) s(state)),
      ${this.#newest("ended", "ended_state", "finished_at is not null", "queue, task, state")}`;
  }

  /**
   * As steps: of each group its newest; of the groups with the newest of those, one for each row of the page at most, the next ones. One row at a time,
   * for then the plan is a step in the index whatever the statistics say: for a page of rows Postgres believes in groups of equal size, takes a big one
   * for small, reads the whole of it and sorts.
   */
  #newest(name: string, groups: string, condition: string, columns: string): string {
    const list = columns.split(", ");
    const next = (of: string, before: string) => `
        select id, seq from ${this.#table} where ${condition} and ${list.map((each) => `${each} = ${of}.${each}`).join(" and ")}
          and seq < ${before} and ${this.#wanted} order by seq desc limit 1`;
    const kept = list.map((each) => `o.${each}`).join(", ");
    return `${name}_head as materialized (
        select ${kept}, n.id, n.seq from ${groups} o cross join lateral (${next("o", this.#before)}) n order by n.seq desc limit ${this.#limit}
      ), ${name}(${columns}, id, seq, n) as (
        select *, 1 from ${name}_head union all
        select ${kept}, n.id, n.seq, o.n + 1 from ${name} o cross join lateral (${next("o", "o.seq")}) n where o.n < ${this.#limit}
      )`;
  }

  /** Those are few, and have an index of their own. */
  #held(): string {
    const conditions = [`state = any(${this.#stateArray(isLive)})`, `seq < ${this.#before}`, this.#wanted];
    if (this.#queue !== null) conditions.push(`queue = ${this.#queue}`);
    if (this.#task !== null) conditions.push(`task = ${this.#task}`);
    return `held as materialized (select id, seq from ${this.#table} where server is not null and ${conditions.join(" and ")})`;
  }

  /** As a step: the pairs of queue and task that an index has, from one to the next; a step of the scan each, not a look at each row. */
  #groups(name: string, condition: string): string {
    if (this.#queue !== null && this.#task !== null)
      return `${name}(queue, task) as (select ${this.#queue}, ${this.#task})`;
    const within = this.#queue === null ? "" : ` and queue = ${this.#queue}`;
    const next = this.#queue === null ? "(queue, task) > (p.queue, p.task)" : "task > p.task";
    const first = (and: string) =>
      `select queue, task from ${this.#table} where ${condition}${within}${and} order by queue, task limit 1`;
    const all = `all_${name}(queue, task) as (
      (${first("")}) union all select n.queue, n.task from all_${name} p cross join lateral (${first(` and ${next}`)}) n)`;
    return `${all}, ${name} as (select * from all_${name}${this.#task === null ? "" : ` where task = ${this.#task}`})`;
  }

  #stateArray(wanted: (state: TaskState) => boolean): string {
    return `array[${this.#states
      .filter((each) => TASK_STATES.includes(each) && wanted(each))
      .map((each) => `'${each}'`)
      .join(", ")}]::${this.#stateType}[]`;
  }

  #parameter(value: string): string {
    return `$${this.parameters.push(value)}`;
  }
}
