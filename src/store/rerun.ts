import type { EncodedPayload } from "../payload.ts";
import type { Store } from "./connection.ts";
import { MARK, unmarking } from "./mark.ts";
import { queryRows } from "./queryable.ts";
import type { VerbRow } from "./retry.ts";

/** A rerun to write. */
export interface NewRerun {
  /** The new execution. */
  readonly id: string;
  /** The one that it repeats. */
  readonly of: string;
  /** Null: the old one's, copied as it is. */
  readonly input: EncodedPayload | null;
}

/**
 * Writes a new execution like one that has ended: task, queue, priority, input, terms, tags and metadata. Its deadline is as far from now as the old
 * one's was from when that was due, or the task's own where an attempt had begun and the old one was gone. `done` is false where the old one is live,
 * or an execution with the new id was there before. Answers nothing where there is no old one.
 */
export async function rerun(store: Store, { id, of, input }: NewRerun): Promise<VerbRow | null> {
  const { names } = store;
  const text = `
    with target as (
      select * from ${names.execution} where id = $2::text::uuid
    ), given as (
      select * from jsonb_to_record($3::text::jsonb) as r(json text, bytes text, content_type text)
    ), written as (
      insert into ${names.execution} (id, rerun_of, task, queue, priority, run_at, ready, max_attempts, retry, timeout_seconds, expires_at,
        input, input_bytes, input_content_type, options, tags, metadata, concurrency_key)
      select $1::text::uuid, t.id, t.task, t.queue, t.priority, now(), true, t.max_attempts, t.retry, t.timeout_seconds,
        now() + coalesce(nullif(greatest(t.expires_at - greatest(t.run_at, t.created_at), interval '0'), interval '0'),
          (select make_interval(secs => d.queue_timeout_seconds) from ${names.definition} d where d.name = t.task)),
        case when g.content_type is null then t.input else g.json::jsonb end,
        case when g.content_type is null then t.input_bytes else decode(g.bytes, 'base64') end,
        coalesce(g.content_type, t.input_content_type), t.options, t.tags, t.metadata, t.concurrency_key
      from target t cross join given g where t.finished_at is not null and ${MARK}
      on conflict (id) do nothing
      returning id, queue
    ), woken as (
      select pg_notify('${names.enqueuedChannel}', queue) from written
    )
    ${unmarking(
      "written",
      `select to_json(a)::text as row from (
      select t.id, t.state as before, exists (select from written) as done from target t
    ) a, (select count(*) from woken) w`,
    )}`;
  const given = input && {
    json: input.json,
    bytes: input.bytes === null ? null : Buffer.from(input.bytes).toString("base64"),
    content_type: input.contentType,
  };
  const [row] = await queryRows<VerbRow>(store, text, [id, of, JSON.stringify(given ?? {})]);
  return row ?? null;
}
