/** What faults are done to, as it is at the moment. */
import { readFileSync } from "node:fs";
import type { SupervisedWorker } from "../supervised.ts";
import type { World } from "../world.ts";

export function workerOf(world: World, target: number): SupervisedWorker {
  const worker = world.workers[target];
  if (worker === undefined) throw new Error(`there is no worker ${target}`);
  return worker;
}

/** Sends a signal to the worker alone. @throws where it is between two of its processes. */
export function signalWorker(world: World, target: number, signal: NodeJS.Signals): void {
  const { child } = workerOf(world, target).process;
  if (child.exitCode !== null || child.signalCode !== null) throw new Error("it isn't running now");
  child.kill(signal);
}

/** @throws where it has none. */
export function sidecarOf(world: World, target: number): number {
  const { sidecar } = workerOf(world, target).process;
  if (sidecar === null) throw new Error("it has no sidecar now");
  return sidecar;
}

/** The process of the server that the worker submits to. @throws where there is none. */
export async function serverOf(world: World, target: number): Promise<number> {
  const [row] = await world.sql`
    select pid from rayferry.task_sidecar where worker = ${workerOf(world, target).name} and ended_at is null
    order by started_at desc limit 1`;
  const pid = Number(row?.["pid"]);
  if (row === undefined || !isOfOurRay(world, pid)) throw new Error("it has no server now");
  return pid;
}

/** Whether this number still names a process that our Ray started: numbers come round, and others have processes on this machine. */
export function isOfOurRay(world: World, pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const parent = stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1];
    return parent !== undefined && world.mark.has(Number(parent));
  } catch {
    return false;
  }
}

/** The incarnations of a worker that aren't known to have ended. */
export async function holdersOf(world: World, target: number): Promise<string[]> {
  const rows = await world.sql`
    select id::text as id from rayferry.task_worker_lease
    where name = ${workerOf(world, target).name} and state in ('STARTING', 'READY', 'DRAINING')`;
  return rows.map(({ id }) => String(id));
}
