import type { TaskState } from "../task-state.ts";
import type { Store } from "./connection.ts";
import { MARK } from "./mark.ts";
import { queryRows } from "./queryable.ts";
import { isReferredTo, type Reference } from "./references.ts";
import { EVERYTHING, type Sweep, withinSweep } from "./sweep.ts";

/** Rows that a round looks at, and removes at most: some 20 ms. */
export const PRUNE_BATCH = 1_000;
/** Days for which the rows of dead workers and servers are kept. */
const LEASE_DAYS = 7;
/** Leases and servers a round. */
const LEASES = 1_000;
const LAST_SEQ = "9223372036854775807";

export type EndState = Exclude<TaskState, "QUEUED" | "RUNNING" | "CANCELLING">;

/** Seconds from its end for which an execution of each state is kept. */
export type Keep = Readonly<Record<EndState, number>>;

/** Behind which row of the index on what has ended the walk goes on. */
export interface PruneCursor {
  readonly queue: string;
  readonly task: string;
  readonly state: EndState;
  readonly seq: string;
}

export interface PruneReport {
  readonly removed: number;
  /** What has been kept for its time and stays, for rows of others refer to it. */
  readonly referred: number;
  /** Where the next round goes on; null: the walk has seen everything. */
  readonly cursor: PruneCursor | null;
}

interface Answer extends PruneCursor {
  readonly removed: number;
  readonly referred: number;
  readonly looked: number;
  readonly young: boolean;
}

/**
 * Removes what ended longer ago than it is kept, a batch a round, its attempts with it. It walks the index that `list` reads anyway, (queue, task, state,
 * seq), so that retention costs no write another index; within each (queue, task, state) that is the order in which they were written, and where a
 * batch has nothing that is old enough to have been kept for its time, the rest there is younger still and is skipped. What was written early and ended
 * late is looked at in each walk.
 *
 * Rows that somebody has locked are skipped, to be met by the next walk. Rows are locked in id order, and looked at again when they are.
 */
export async function prune(
  store: Store,
  keep: Keep,
  cursor: PruneCursor | null,
  sweep: Sweep = EVERYTHING,
  references: readonly Reference[] = [],
): Promise<PruneReport> {
  const { execution } = store.names;
  const { condition, parameters } = withinSweep(sweep);
  const { steps, parameters: more } = walk(store, keep, cursor, references);
  const text = `
    with ${steps}, picked as (
      select e.id from ${execution} e join kept k on k.state = e.state
      where e.id = any(array(select id from old where not referred)) and e.finished_at < now() - make_interval(secs => k.seconds) and ${condition}
      order by e.id for update of e skip locked
    ), removed as (
      delete from ${execution} e where e.id = any(array(select id from picked)) and ${MARK} returning e.id
    ), last as (
      select queue, task, state, seq from chunk order by queue desc, task desc, state desc, seq desc limit 1
    )
    select to_json(a)::text as row from (
      select l.queue, l.task, l.state, l.seq::text as seq, (select count(*)::int from removed) as removed, (select count(*)::int from chunk) as looked,
        (select count(*)::int from old where referred) as referred,
        (select bool_and(c.young) from chunk c where (c.queue, c.task, c.state) = (l.queue, l.task, l.state)) as young
      from last l) a`;
  const [row] = await queryRows<Answer>(store, text, [...parameters, ...more]);
  if (row === undefined) return { removed: 0, referred: 0, cursor: null };
  const { removed, referred, looked, young, queue, task, state, seq } = row;
  if (looked < PRUNE_BATCH) return { removed, referred, cursor: null };
  return { removed, referred, cursor: { queue, task, state, seq: young ? LAST_SEQ : seq } };
}

/** What that round of `prune` would take. */
export async function readPrunable(
  store: Store,
  keep: Keep,
  cursor: PruneCursor | null,
  except: readonly string[],
  references: readonly Reference[] = [],
): Promise<string[]> {
  const { condition, parameters } = withinSweep({ only: null, except });
  const { steps, parameters: more } = walk(store, keep, cursor, references);
  const text = `with ${steps} select e.id::text as id from old e where not e.referred and ${condition} order by e.id`;
  return (await store.query(text, [...parameters, ...more])).map((row) => String(row["id"]));
}

/**
 * As steps: `chunk`, the rows behind the cursor, and `old(id, referred)`, those of them that have been kept for their time, and whether a row of
 * somebody's refers to them. From the parameter $2 on.
 */
function walk({ names }: Store, keep: Keep, cursor: PruneCursor | null, references: readonly Reference[]) {
  const parameters = [JSON.stringify(Object.entries(keep).map(([state, seconds]) => ({ state, seconds })))];
  let behind = "";
  if (cursor !== null) {
    behind = ` and (queue, task, state, seq) > ($3::text, $4::text, $5::text::${names.state}, $6::text::bigint)`;
    parameters.push(cursor.queue, cursor.task, cursor.state, cursor.seq);
  }
  const steps = `kept as materialized (
      select state::${names.state} as state, seconds from jsonb_to_recordset($2::text::jsonb) as k(state text, seconds float8)
    ), behind as materialized (
      select id, queue, task, state, seq, created_at, finished_at from ${names.execution}
      where finished_at is not null${behind} order by queue, task, state, seq limit ${PRUNE_BATCH}
    ), chunk as materialized (
      select b.*, k.seconds, b.created_at >= now() - make_interval(secs => k.seconds) as young from behind b join kept k on k.state = b.state
    ), old as materialized (
      select c.id, ${isReferredTo(references, "c.id")} as referred from chunk c where finished_at < now() - make_interval(secs => seconds)
    )`;
  return { steps, parameters };
}

/** Removes leases, and the servers of theirs, that ended a week ago and have nothing left. Answers how many rows. */
export async function pruneLeases(store: Store): Promise<number> {
  const { names } = store;
  const text = `
    with servers as (
      delete from ${names.sidecar} where id in (
        select s.id from ${names.sidecar} s
        where s.emptied_at < now() - interval '${LEASE_DAYS} days' and not exists (select from ${names.execution} e where e.server = s.id)
        order by s.id limit ${LEASES} for update skip locked)
      returning id
    ), leases as (
      delete from ${names.lease} where id in (
        select l.id from ${names.lease} l
        where l.expires_at < now() - interval '${LEASE_DAYS} days' and not exists (select from ${names.sidecar} s where s.holder = l.id)
          and not l.id in (select holder from ${names.execution} where server is not null)
        order by l.id limit ${LEASES} for update skip locked)
      returning id
    )
    select ((select count(*) from servers) + (select count(*) from leases))::text as n`;
  const [row] = await store.query(text, []);
  return Number(row?.["n"] ?? 0);
}
