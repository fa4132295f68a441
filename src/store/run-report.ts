/** Where and how long an attempt ran; all null where it never started. */
export interface RunReport {
  readonly rayTaskId: string | null;
  readonly nodeId: string | null;
  readonly workerId: string | null;
  readonly pid: number | null;
  readonly runSeconds: number | null;
  /** Since its end. */
  readonly ageSeconds: number;
}

/** Columns of a report in `jsonb_to_recordset`. */
export const REPORT_COLUMNS = "ray_task_id text, node_id text, worker_id text, pid int, run float8, age float8";

/** The report for these columns; null: nobody told. */
export function reportRecord(run: RunReport | null): Record<string, unknown> {
  return {
    ray_task_id: run?.rayTaskId ?? null,
    node_id: run?.nodeId ?? null,
    worker_id: run?.workerId ?? null,
    pid: run?.pid ?? null,
    run: run?.runSeconds ?? null,
    age: run?.ageSeconds ?? 0,
  };
}

/**
 * Columns of the attempt of row `e` as report `r` tells of it: where a process died it tells nothing, but its start may have been noted. Without a
 * report, what was noted.
 */
export function whereItRan(e: string, r: string | null): string {
  const reported = (column: string, noted: string) => (r === null ? noted : `coalesce(${r}.${column}, ${noted})`);
  const age = r === null ? "0" : `coalesce(${r}.age, 0)`;
  const started =
    r === null ? `${e}.started_at` : `coalesce(now() - make_interval(secs => ${r}.age + ${r}.run), ${e}.started_at)`;
  return `${reported("ray_task_id", `${e}.ray_task_id`)} as ray_task_id, ${reported("node_id", `${e}.ray_node_id`)} as ray_node_id,
        ${reported("worker_id", `${e}.ray_worker_id`)} as ray_worker_id, ${reported("pid", `${e}.pid`)} as pid,
        ${started} as started_at, now() - make_interval(secs => ${age}) as finished_at`;
}
