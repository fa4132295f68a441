/** Servers in actors, as Postgres knows them. */
import type postgres from "postgres";

export interface ServerFacts {
  readonly endpoint: string;
  readonly pid: number;
  readonly generation: string | null;
  readonly isEnded: boolean;
  /** A worker submits to it now. */
  readonly isInService: boolean;
}

/** Of workers of that name, oldest first. */
export async function serversOf(sql: postgres.Sql, worker: string): Promise<ServerFacts[]> {
  const rows = await sql`
    select s.endpoint, s.pid, s.generation, s.ended_at is not null as ended, l.state = 'READY' as ready
    from rayferry.task_sidecar s join rayferry.task_worker_lease l on l.id = s.holder where s.worker = ${worker} order by s.started_at`;
  return rows.map(({ endpoint, pid, generation, ended, ready }) => ({
    endpoint: String(endpoint),
    pid: Number(pid),
    generation: generation === null ? null : String(generation),
    isEnded: ended === true,
    isInService: ready === true && ended === false,
  }));
}

/** The one that a worker of that name submits to. */
export async function serverInService(sql: postgres.Sql, worker: string): Promise<ServerFacts> {
  const found = (await serversOf(sql, worker)).find(({ isInService }) => isInService);
  if (found === undefined) throw new Error(`Worker ${worker} submits to no server.`);
  return found;
}
