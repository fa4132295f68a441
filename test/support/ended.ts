/** Executions that ended some time ago, written as the verbs would have left them. */
import type postgres from "postgres";
import type { EndState } from "../../src/store/prune.ts";

export interface Ended {
  readonly state?: EndState;
  /** Since its end, and since it was written. */
  readonly days: number;
  readonly writtenDays?: number;
  readonly queue?: string;
  readonly task?: string;
}

/** `count` such, in the order of their ids. */
export async function seedEnded(sql: postgres.Sql, count: number, ended: Ended): Promise<string[]> {
  const { state = "SUCCEEDED", days, writtenDays = days, queue = "default", task = "t.run" } = ended;
  const rows = await sql`insert into rayferry.ray_task_execution
    (task, queue, state, created_at, finished_at, result_content_type, error, worker, claimed_at, last_fence, attempt, max_attempts)
    select ${task}, ${queue}, ${state}, now() - make_interval(secs => ${writtenDays * 86_400}::float8), now() - make_interval(secs => ${days * 86_400}::float8),
      ${state === "SUCCEEDED" ? "application/json" : null}, case when ${state} in ('FAILED', 'LOST') then '{"code": "TaskError"}'::jsonb end,
      'w', now(), n, 2, 2 from generate_series(1, ${count}::int) n returning id`;
  return rows.map((row) => String(row["id"])).sort();
}
