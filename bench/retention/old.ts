import type postgres from "postgres";

/** Executions that ended 8 days ago, of 8 queues and 5 tasks. */
export async function writeOld(sql: postgres.Sql, count: number): Promise<void> {
  await sql.unsafe(`insert into rayferry.ray_task_execution
      (task, queue, state, run_at, created_at, claimed_at, started_at, finished_at, input, result, result_content_type, worker, attempt, max_attempts)
    select 'shop.orders.task_' || n % 5, 'q' || n % 8, 'SUCCEEDED', t.at, t.at, t.at, t.at, t.at, jsonb_build_object('order', n, 'text', repeat('x', 72)),
      '1', 'application/json', 'bench', 1, 1
    from generate_series(1, ${count}) n, lateral (select now() - interval '8 days' + n * interval '1 millisecond' as at) t`);
}
