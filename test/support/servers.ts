/** Servers in actors, as Postgres and the machine know them. */
import { readFileSync } from "node:fs";
import type postgres from "postgres";

export interface ServerFacts {
  readonly pid: number;
  readonly generation: string | null;
  readonly isEnded: boolean;
  /** A worker submits to it now. */
  readonly isInService: boolean;
}

/** Of workers of that name, oldest first. */
export async function serversOf(sql: postgres.Sql, worker: string): Promise<ServerFacts[]> {
  const rows = await sql`
    select s.pid, s.generation, s.ended_at is not null as ended, l.state = 'READY' as ready
    from rayferry.task_sidecar s join rayferry.task_worker_lease l on l.id = s.holder where s.worker = ${worker} order by s.started_at`;
  return rows.map(({ pid, generation, ended, ready }) => ({
    pid: Number(pid),
    generation: generation === null ? null : String(generation),
    isEnded: ended === true,
    isInService: ready === true && ended === false,
  }));
}

/** A zombie isn't. */
export function isRunning(pid: number): boolean {
  try {
    return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return false;
  }
}
