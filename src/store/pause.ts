import type { Store } from "./connection.ts";
import { queryRows } from "./queryable.ts";

/** A queue's row, instants as text. */
export interface PauseRow {
  readonly name: string;
  readonly paused_at: string | null;
  readonly pause_reason: string | null;
}

/** Nothing is claimed from the queue from now on. One that is paused stays so since when it was; a new reason takes the place of the old. */
export async function pause(store: Store, queue: string, reason: string | null): Promise<PauseRow> {
  const text = `
    with paused as (
      insert into ${store.names.queue} as q (name, paused_at, pause_reason) values ($1::text, now(), $2::text)
      on conflict (name) do update set paused_at = coalesce(q.paused_at, now()), updated_at = now(),
        pause_reason = case when q.paused_at is null then excluded.pause_reason else coalesce(excluded.pause_reason, q.pause_reason) end
      returning name, paused_at, pause_reason
    )
    select to_json(p)::text as row from paused p`;
  const [row] = await queryRows<PauseRow>(store, text, [queue, reason]);
  return row ?? { name: queue, paused_at: null, pause_reason: null };
}
