import type { TaskError } from "../errors.ts";
import type { Store } from "./connection.ts";
import { dropLeases } from "./end-steps.ts";
import { MARK } from "./mark.ts";
import { REPORT_COLUMNS, type RunReport, reportRecord } from "./run-report.ts";
import { storableError } from "./storable.ts";
import { tellFinished } from "./tell.ts";

/** How an attempt ended, to be written back. */
export interface Completion {
  readonly id: string;
  readonly fence: number;
  readonly state: "SUCCEEDED" | "FAILED" | "CANCELLED";
  readonly contentType: string | null;
  /** JSON text or MessagePack by `contentType`; null unless SUCCEEDED. */
  readonly value: Uint8Array | null;
  readonly error: TaskError | null;
  readonly run: RunReport;
  /** It has a lease row. */
  readonly leased?: boolean;
}

/**
 * Writes back what ended, only where fence and holder still fit; answers the ids that were accepted. A stale one is refused by being left out, and so
 * is one that somebody has locked: a transaction that an application leaves open over one row isn't to hold up a thousand others. `readStillOwn` tells
 * the two apart.
 *
 * The join is on id, fence and holder alone and clears them: with `state = ...` in it, statistics that knew no such state made it a nested loop
 * over a sequential scan (31,900 rows/s fell to 2,200). Rows are locked in id order, as by every other verb.
 */
export async function complete(store: Store, holder: string, completions: readonly Completion[]): Promise<Set<string>> {
  const { names } = store;
  // Most of what ends never had one, and no statement pays for it then.
  const leases = completions.some(({ leased }) => leased === true)
    ? `, ${dropLeases(names, "select d.id from done d join incoming r on r.id = d.id where r.leased")}`
    : "";
  const text = `
    with incoming as (
      select * from jsonb_to_recordset($1::text::jsonb) as r(
        id uuid, fence bigint, state text, content_type text, value text, value_bytes text, error jsonb, leased boolean, ${REPORT_COLUMNS})
    ), locked as (
      select e.id, e.fence from ${names.execution} e join incoming r on e.id = r.id and e.fence = r.fence and e.holder = $2::text::uuid
      order by e.id for no key update of e skip locked
    ), done as (
      update ${names.execution} e set
        state = r.state::${names.state}, fence = null, holder = null, server = null,
        result = r.value::jsonb, result_bytes = decode(r.value_bytes, 'base64'), result_content_type = r.content_type, error = r.error,
        ray_task_id = coalesce(r.ray_task_id, e.ray_task_id), ray_node_id = coalesce(r.node_id, e.ray_node_id),
        ray_worker_id = coalesce(r.worker_id, e.ray_worker_id), pid = coalesce(r.pid, e.pid),
        started_at = coalesce(now() - make_interval(secs => r.age + r.run), e.started_at), finished_at = now() - make_interval(secs => r.age)
      from incoming r join locked l on l.id = r.id and l.fence = r.fence
      where e.id = r.id and ${MARK}
      returning e.id
    )${leases}, told as (
      ${tellFinished(names, "done")}
    )
    select id::text as id from done, (select count(*) from told) n`;
  const rows = await store.query(text, [JSON.stringify(completions.map(toRecord)), holder]);
  return new Set(rows.map((row) => String(row["id"])));
}

function toRecord(completion: Completion): Record<string, unknown> {
  const { run, value } = completion;
  const isJson = completion.contentType === "application/json";
  return {
    id: completion.id,
    fence: completion.fence,
    state: completion.state,
    content_type: completion.contentType,
    value: value !== null && isJson ? Buffer.from(value).toString("utf8") : null,
    value_bytes: value !== null && !isJson ? Buffer.from(value).toString("base64") : null,
    error: storableError(completion.error),
    leased: completion.leased === true,
    ...reportRecord(run),
  };
}
