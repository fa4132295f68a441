import type { Store } from "./connection.ts";

/** The queue is claimed from again; its workers are told. False: it wasn't paused. */
export async function resume(store: Store, queue: string): Promise<boolean> {
  const { names } = store;
  const text = `
    with resumed as (
      update ${names.queue} set paused_at = null, pause_reason = null, updated_at = now()
      where name = $1::text and paused_at is not null returning name
    )
    select pg_notify('${names.enqueuedChannel}', name)::text as told from resumed`;
  return (await store.query(text, [queue])).length > 0;
}
