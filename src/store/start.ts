import type { Store } from "./connection.ts";
import { MARK } from "./mark.ts";
import type { RunReport } from "./run-report.ts";

/** An attempt that Ray has begun, and goes on. */
export interface StartedAttempt {
  readonly id: string;
  readonly fence: number;
  readonly run: Pick<RunReport, "rayTaskId" | "nodeId" | "workerId" | "pid"> & {
    /** Since its start. */
    readonly ageSeconds: number;
  };
}

/** Notes when and where attempts began: only of those that take their time, for the others' ends say it all. Its deadline is gone. Fenced by fence and holder. */
export async function start(store: Store, holder: string, started: readonly StartedAttempt[]): Promise<number> {
  const { names } = store;
  const text = `
    with incoming as (
      select * from jsonb_to_recordset($1::text::jsonb) as r(id uuid, fence bigint, ray_task_id text, node_id text, worker_id text, pid int, age float8)
    ), locked as (
      select e.id, e.fence from ${names.execution} e join incoming r on e.id = r.id and e.fence = r.fence and e.holder = $2::text::uuid
      order by e.id for update of e
    )
    update ${names.execution} e set started_at = now() - make_interval(secs => r.age), expires_at = null,
      ray_task_id = r.ray_task_id, ray_node_id = r.node_id, ray_worker_id = r.worker_id, pid = r.pid
    from incoming r join locked l on l.id = r.id and l.fence = r.fence where e.id = r.id and ${MARK} returning e.id`;
  const records = started.map(({ id, fence, run }) => ({
    id,
    fence,
    ray_task_id: run.rayTaskId,
    node_id: run.nodeId,
    worker_id: run.workerId,
    pid: run.pid,
    age: run.ageSeconds,
  }));
  const rows = await store.query(text, [JSON.stringify(records), holder]);
  return rows.length;
}
