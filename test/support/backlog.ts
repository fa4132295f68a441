/** A backlog written by SQL, in several priorities and queues: what takes minutes through the verbs takes seconds. */
import type postgres from "postgres";
import { waitFor } from "./wait-for.ts";

export interface Backlog {
  readonly ready: number;
  /** Due in an hour or later. */
  readonly later: number;
  readonly finished: number;
}

/** 100 bytes of arguments. */
const INPUT = JSON.stringify({ order: 123_456, text: "x".repeat(72) });

/**
 * An id as the library makes them, a UUID v7 of that time: ids of rows that were written one after the other are neighbours in the primary key. Random ones
 * would make a claim write as many pages of that index as it takes rows.
 */
const id = (at: string, variant: "8" | "9" | "a") =>
  `(lpad(to_hex((extract(epoch from ${at}) * 1000)::bigint), 12, '0') || '7' || lpad(to_hex(n % 4096), 3, '0') || '${variant}' || lpad(to_hex(n), 15, '0'))::uuid`;

/** Queues q0 to q7, tasks t.0 to t.9; and a few of the task `t.rare` in the queue `rare` among the oldest, in every state. */
export async function writeBacklog(sql: postgres.Sql, { ready, later, finished }: Backlog): Promise<void> {
  await sql.unsafe(`insert into rayferry.ray_task_execution
      (id, task, queue, state, priority, run_at, ready, expires_at, created_at, claimed_at, finished_at, result, result_content_type, error, last_fence)
    select gen_random_uuid(), 't.rare', 'rare', s.state::rayferry.task_state, 0, now() - interval '1 day', true, null, now() - interval '1 day', null,
      case when s.state <> 'QUEUED' then now() - interval '1 hour' end, null, case when s.state = 'SUCCEEDED' then 'application/json' end,
      case when s.state in ('FAILED', 'LOST') then '{"code": "TaskError"}'::jsonb end, null
    from unnest(array['QUEUED', 'SUCCEEDED', 'FAILED', 'CANCELLED', 'EXPIRED', 'LOST']) s(state), generate_series(1, 5)`);
  await sql.unsafe(`alter table rayferry.ray_task_execution alter column input set default '${INPUT}'`);
  await sql.unsafe(`insert into rayferry.ray_task_execution
      (id, task, queue, state, priority, run_at, created_at, claimed_at, started_at, finished_at, result, result_content_type, attempt, max_attempts)
    select ${id("t.at", "8")}, 't.' || n % 10, 'q' || n % 8, 'SUCCEEDED', n % 3, t.at, t.at, t.at, t.at, t.at, '1', 'application/json', 1, 1
    from generate_series(1, ${finished}) n, lateral (select now() - interval '12 hours' + n * interval '10 milliseconds' as at) t`);
  await sql.unsafe(`insert into rayferry.ray_task_execution (id, task, queue, priority, run_at, created_at, expires_at)
    select ${id("now() - interval '1 hour' + n * interval '1 millisecond'", "9")}, 't.' || n % 10, 'q' || n % 8, n % 3, now() - interval '1 hour' + n * interval '1 millisecond', now() - interval '1 hour',
      case when n % 100 = 0 then now() + interval '1 hour' end
    from generate_series(1, ${ready}) n`);
  await sql.unsafe(`insert into rayferry.ray_task_execution (id, task, queue, priority, run_at, ready, created_at)
    select ${id("now() - interval '1 hour' + n * interval '1 millisecond'", "a")}, 't.' || n % 10, 'q' || n % 8, n % 3, now() + interval '1 hour' + n * interval '10 milliseconds', false, now() - interval '1 hour'
    from generate_series(1, ${later}) n`);
  await sql.unsafe("alter table rayferry.ray_task_execution alter column input set default '{}'");
  await vacuum(sql);
}

/** Until the index alone tells what is there: an analyze of autovacuum's, with a snapshot of before, may keep one vacuum from seeing the last rows as settled. */
async function vacuum(sql: postgres.Sql): Promise<void> {
  await waitFor(
    "every page is all-visible",
    async () => {
      await sql`vacuum analyze rayferry.ray_task_execution`;
      const [row] = await sql`
        select relallvisible = relpages as settled from pg_class where oid = 'rayferry.ray_task_execution'::regclass`;
      return row?.["settled"] === true;
    },
    120_000,
  );
}
