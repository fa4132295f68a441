import type { Store } from "./connection.ts";
import { MARK } from "./mark.ts";
import type { Names } from "./names.ts";
import { type AttemptTerms, settleTerms, termsOf } from "./terms.ts";

/** What a worker needs to run one. */
export interface ClaimedExecution {
  readonly id: string;
  readonly fence: number;
  readonly attempt: number;
  readonly task: string;
  readonly queue: string;
  readonly contentType: string;
  /** JSON text or MessagePack, as it is: the worker doesn't open it. */
  readonly input: Uint8Array;
  /** How its end is judged, and when it has to end. */
  readonly terms: AttemptTerms;
}

export interface ClaimRequest {
  readonly holder: string;
  readonly server: string;
  readonly worker: string;
  readonly queues: readonly string[];
  readonly limit: number;
}

/** Most executions a claim. A constant in the statement: a plan made for any limit takes it for a tenth of the table, and scans it. */
export const MAX_CLAIM = 500;

/** What a claim did, for a journal: rows in claim order, instants in microseconds since 1970 by the database's clock. */
export interface ClaimEntry {
  /** The transaction's begin: what was ready and committed before it was there to be claimed. */
  readonly begin: number;
  /** After the last row was locked, shortly before the commit. */
  readonly end: number;
  readonly rows: readonly {
    readonly id: string;
    readonly fence: number;
    readonly queue: string;
    readonly priority: number;
    readonly run_at: number;
    readonly seq: number;
  }[];
}

/**
 * Takes up to `limit` executions, each with a fresh fence, in claim order: higher priority, then (run_at, seq). A LATERAL top-n for each queue
 * keeps the cost flat: `queue = any(...)` sorts the whole backlog (407 ms against 1.4 ms with 1,000,000 due rows). A worker whose lease has run
 * out, or whose server has ended, gets nothing.
 */
export async function claim(store: Store, request: ClaimRequest): Promise<ClaimedExecution[]> {
  const rows = await store.query(claimText(store.names, ENDING, request.queues.length), paramsOf(request));
  return rows.map(toClaimed);
}

/** The same, and what it did: by a statement of its own, so that the other pays nothing for what only a journal asks for. */
export async function claimWithEntry(
  store: Store,
  request: ClaimRequest,
): Promise<{ readonly claimed: ClaimedExecution[]; readonly entry: ClaimEntry }> {
  // A row in any case: a claim that took nothing has a begin and an end too.
  const rows = await store.query(claimText(store.names, ENDING_WITH_ENTRY, request.queues.length), paramsOf(request));
  const claimed = rows.filter((row) => row["id"] !== null);
  const ends = rows.map((row) => Number(row["end"]));
  const entry = {
    begin: Number(rows[0]?.["begin"]),
    end: Math.max(...ends),
    rows: claimed.map((row) => ({
      id: String(row["id"]),
      fence: Number(row["fence"]),
      queue: String(row["queue"]),
      priority: Number(row["priority"]),
      run_at: Number(row["run_at_us"]),
      seq: Number(row["seq"]),
    })),
  };
  return { claimed: claimed.map(toClaimed), entry };
}

const ENDING = "select * from claimed order by fence";
const ENDING_WITH_ENTRY = `
    select c.*, e.priority, e.seq, ${microseconds("e.run_at")} as run_at_us, ${microseconds("now()")} as begin,
      ${microseconds("clock_timestamp()")} as "end"
    from (values (1)) v left join claimed c on true left join picked e on e.id = c.id order by c.fence`;

function microseconds(instant: string): string {
  return `(extract(epoch from ${instant}) * 1000000)::bigint`;
}

const COLUMNS = "id, priority, run_at, seq";
const CLAIMABLE = "state = 'QUEUED' and ready and (expires_at is null or expires_at > now())";
const LOCKING = "for no key update skip locked";

/**
 * What may be claimed of the queue `of`, in claim order. Two limits, so that a plan for any `limit` knows that it is small: Postgres would take it for
 * a tenth of the table, and with 1,000,000 rows plan each claim anew for its very limit, which takes longer than a claim of 10 itself (0.8 ms).
 */
function firstOf(names: Names, of: string, limit: string, locking = ""): string {
  return `select * from (
        select ${COLUMNS} from ${names.execution} where queue = ${of} and ${CLAIMABLE}
        order by priority desc, run_at, seq limit ${MAX_CLAIM} ${locking}) f limit ${limit}`;
}

/** Queues that aren't paused, for a worker that may claim. */
const open = (names: Names) => `open as materialized (
      select queue from jsonb_array_elements_text($1::text::jsonb) q(queue)
      where not exists (select from ${names.queue} where name = q.queue and paused_at is not null)
        and exists (select from ${names.lease} where id = $3::text::uuid and state = 'READY' and expires_at > now())
        and exists (select from ${names.sidecar} where id = $4::text::uuid and ended_at is null)
    )`;

/** As a step, `picked`: of one queue. */
const ofOne = (names: Names) => `picked as (
      select c.* from open q cross join lateral (${firstOf(names, "q.queue", "$2::text::int", LOCKING)}) c
    )`;

/**
 * As steps that end in `picked`: of several queues. Which are the first of all is found out without locking, and those are locked: the first of each
 * queue, all of them locked, would be eight times as many rows with eight queues (1.7 times the cost), which nobody else could claim meanwhile.
 * Where others have locked n of those, the next n of each queue are locked too, and the first of all that are locked now make up for them. The queues
 * are compared again because a row may have been moved by hand before it was locked.
 */
const ofSeveral = (names: Names) => `top as materialized (
      select c.id from open q cross join lateral (${firstOf(names, "q.queue", "$2::text::int")}) c
      order by c.priority desc, c.run_at, c.seq limit $2::text::int
    ), first as materialized (
      select queue, ${COLUMNS} from ${names.execution}
      where id = any(array(select id from top)) and ${CLAIMABLE} and array(select queue from open) @> array[queue]
      ${LOCKING}
    ), lacking as materialized (
      select (select count(*) from top) - (select count(*) from first) as n
    ), others as (
      select c.* from open q cross join lateral (${firstOf(
        names,
        "q.queue",
        "(select case when n > 0 then n + (select count(*) from first where first.queue = q.queue) else 0 end from lacking)",
        LOCKING,
      )}) c
    ), picked as (
      select * from (select ${COLUMNS} from first union select * from others) u
      order by priority desc, run_at, seq limit $2::text::int
    )`;

/** `now()` is when the statement came in, its snapshot some milliseconds later: it may see what was promoted in between, never claimed before it was due. */
function claimText(names: Names, ending: string, queues: number): string {
  return `
    with ${open(names)}, ${queues > 1 ? ofSeveral(names) : ofOne(names)}, fenced as materialized (
      select id, nextval(${names.fence}) as fence from (select id from picked order by priority desc, run_at, seq) p limit ${MAX_CLAIM}
    ), claimed as (
      update ${names.execution} e set
        state = 'RUNNING', fence = f.fence, last_fence = f.fence, holder = $3::text::uuid, server = $4::text::uuid, worker = $5::text,
        attempt = e.attempt + 1, claimed_at = greatest(now(), e.run_at), started_at = null, error = null, wait_reason = null,
        ray_task_id = null, ray_node_id = null, ray_worker_id = null, pid = null, ${settleTerms(names)}
      from fenced f where e.id = f.id and e.id = any(array(select id from fenced)) and ${MARK}
      returning e.id, e.fence, e.attempt, e.task, e.queue, e.input_content_type, e.input::text as input, e.input_bytes,
        ${termsOf("e")} as terms
    )
    ${ending}`;
}

function paramsOf(request: ClaimRequest): string[] {
  return [JSON.stringify(request.queues), String(request.limit), request.holder, request.server, request.worker];
}

function toClaimed(row: Record<string, unknown>): ClaimedExecution {
  return {
    id: String(row["id"]),
    fence: Number(row["fence"]),
    attempt: Number(row["attempt"]),
    task: String(row["task"]),
    queue: String(row["queue"]),
    contentType: String(row["input_content_type"]),
    terms: JSON.parse(String(row["terms"])) as AttemptTerms,
    input: row["input_bytes"] instanceof Uint8Array ? row["input_bytes"] : Buffer.from(String(row["input"])),
  };
}
