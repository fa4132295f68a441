import type { TaskState } from "../task-state.ts";
import type { Store } from "./connection.ts";
import { MARK, unmarking } from "./mark.ts";
import { queryRows } from "./queryable.ts";

/** What a cancel met: the state before and after. Equal states: it had ended, or was being cancelled already. */
export interface CancelRow {
  readonly id: string;
  readonly before: TaskState;
  readonly after: TaskState;
}

/**
 * A queued execution becomes CANCELLED at once; a running one CANCELLING, and its holder is told. One that has ended stays as it is.
 * Answers nothing for an id that isn't there.
 */
export async function cancel(store: Store, id: string, reason: string | null): Promise<CancelRow | null> {
  const { names } = store;
  const text = `
    with target as (
      select id, state, holder from ${names.execution} where id = $1::text::uuid for no key update
    ), changed as (
      update ${names.execution} e set
        state = case when t.state = 'QUEUED' then 'CANCELLED' else 'CANCELLING' end::${names.state},
        finished_at = case when t.state = 'QUEUED' then now() end,
        cancel_requested_at = now(), cancel_reason = $2::text, wait_reason = null
      from target t where e.id = t.id and t.state in ('QUEUED', 'RUNNING') and ${MARK}
      returning e.id, e.state, e.holder
    ), told as (
      select pg_notify('${names.cancelChannel}', holder::text) from changed where state = 'CANCELLING'
      union all
      select pg_notify('${names.finishedChannel}', id::text) from changed where state = 'CANCELLED'
    )
    ${unmarking(
      "changed",
      `select to_json(a)::text as row from (
      select t.id, t.state as before, coalesce(c.state, t.state) as after from target t left join changed c on c.id = t.id
    ) a, (select count(*) from told) n`,
    )}`;
  const rows = await queryRows<CancelRow>(store, text, [id, reason]);
  return rows[0] ?? null;
}
