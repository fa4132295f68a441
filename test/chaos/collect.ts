import { setTimeout as delay } from "node:timers/promises";
import type postgres from "postgres";
import { isRunning } from "../support/processes.ts";
import { readTables } from "./audit.ts";
import { readIfThere, readLives } from "./bodies.ts";
import type { Claim, History, Leftovers } from "./history.ts";
import type { Load } from "./load.ts";
import type { World } from "./world.ts";

/** Milliseconds in which what goes away by itself, once all work has ended, has gone. */
const SETTLES = 30_000;
const LOOK_EVERY = 100;

/** A task process that runs a body, by the title that Ray gives it. */
const RUNS_A_BODY = /\bray::chaos\./;

/** What `ray start` starts: how that ends is between it and Ray. */
const OF_RAY = /ray::(Dashboard|RuntimeEnv)Agent|\/ray\/(core|_private|dashboard|autoscaler)\/|\/bin\/ray start/;

const REFUSED = /"msg":"refused a late result/g;

/** Rows that have ended, and all. */
export async function countRows(sql: postgres.Sql): Promise<{ ended: number; all: number }> {
  const [row] = await sql`
    select count(*)::int as all, count(*) filter (where finished_at is not null)::int as ended from rayferry.ray_task_execution`;
  return { ended: Number(row?.["ended"]), all: Number(row?.["all"]) };
}

/** Ends everything, in the order of an operator, and reads what there is to read. */
export async function collect(world: World, load: Load): Promise<History> {
  const { sql } = world;
  const alive = await leftWhileAlive(world);
  await load.close();
  const stops = await world.stopWorkers();
  const leases = await linesOf(
    () =>
      sql`select name || ' ' || state as line from rayferry.task_worker_lease where state not in ('STOPPED', 'LOST')`,
  );
  const connections = await settled(
    () => sql`select application_name || ' ' || state as line from pg_stat_activity
      where datname = current_database() and application_name like 'rayferry%'`,
  );
  const tables = await readTables(sql);
  await world.stopRay();
  const processes = await settled(async () => linesBut(world, OF_RAY));
  return {
    ...tables,
    enqueued: load.enqueued,
    cancels: load.cancels,
    retries: load.retries,
    bulkCancels: load.bulkCancels,
    lives: await readLives(world.journal),
    claims: (await Promise.all(world.claimJournals.map(readClaims))).flat().sort((a, b) => a.begin - b.begin),
    deeds: world.deeds,
    undone: world.undone,
    refusals: world.workers.reduce((sum, { said }) => sum + [...said.matchAll(REFUSED)].length, 0),
    failedClaims: world.postgres.log.failedClaims,
    databaseErrors: { ...world.postgres.log.errors },
    leftovers: {
      ...alive,
      stops,
      leases: [...alive.leases, ...leases],
      connections,
      processes: [...alive.processes, ...processes],
    },
  };
}

/** With both workers at work, and nothing to do. */
async function leftWhileAlive(
  world: World,
): Promise<Pick<Leftovers, "leases" | "executionLeases" | "servers" | "processes">> {
  const { sql, workers } = world;
  const leases = await settled(
    () => sql`select name || ' is ' || state || ' though its lease has run out' as line from rayferry.task_worker_lease
      where state not in ('STOPPED', 'LOST') and expires_at < now()`,
  );
  const [table] = await sql`select to_regclass('rayferry.execution_lease') is not null as there`;
  const executionLeases = table?.["there"]
    ? await settled(() => sql`select execution_id::text as line from rayferry.execution_lease`)
    : [];
  const inService = workers.length;
  const servers = await settled(async () => {
    const rows = await sql`select pid, worker from rayferry.task_sidecar`;
    const running = rows.filter(({ pid }) => isRunning(Number(pid)));
    const extra = running.length > inService ? running : [];
    return extra.map(({ pid, worker }) => ({ line: `a server of ${worker}, process ${pid}` }));
  });
  // Before Ray is stopped: it would take them along.
  const processes = await settled(async () => linesWith(world, RUNS_A_BODY));
  return { leases, executionLeases, servers, processes };
}

function linesWith({ mark }: World, pattern: RegExp): { line: string }[] {
  return mark.find().flatMap((line) => (pattern.test(line) ? [{ line: line.trimEnd() }] : []));
}

function linesBut({ mark }: World, pattern: RegExp): { line: string }[] {
  return mark.find().flatMap((line) => (pattern.test(line) ? [] : [{ line: line.trimEnd() }]));
}

type Look = () => PromiseLike<readonly Record<string, unknown>[]>;

async function linesOf(look: Look): Promise<string[]> {
  return (await look()).map((row) => String(row["line"]));
}

/** What is still there after it had its time to go. An error of the look is the caller's: what couldn't be looked at isn't known to be gone. */
export async function settled(look: Look, within = SETTLES): Promise<string[]> {
  for (const start = performance.now(); ; await delay(LOOK_EVERY)) {
    const lines = await linesOf(look);
    if (lines.length === 0 || performance.now() - start > within) return lines;
  }
}

/** A worker that was killed while it wrote leaves half a line. */
async function readClaims(path: string): Promise<Claim[]> {
  const text = await readIfThere(path);
  return text.split("\n").flatMap((line) => {
    try {
      return line === "" ? [] : [JSON.parse(line) as Claim];
    } catch {
      return [];
    }
  });
}
