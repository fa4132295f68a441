/** Each verb of the store with arguments drawn at random, for tests that run them all over the same few rows. */
import type postgres from "postgres";
import { adopt, requeueMissing } from "../../src/store/adopt.ts";
import { again } from "../../src/store/again.ts";
import { beat } from "../../src/store/beat.ts";
import { cancel } from "../../src/store/cancel.ts";
import { cancelBatch, readCancellable } from "../../src/store/cancel-many.ts";
import { complete } from "../../src/store/complete.ts";
import type { Store } from "../../src/store/connection.ts";
import { define } from "../../src/store/definitions.ts";
import { deleteExecution } from "../../src/store/delete.ts";
import { requestDrain } from "../../src/store/drain.ts";
import { enqueue } from "../../src/store/enqueue.ts";
import { cleanExecutionLeases, noteAttempts } from "../../src/store/execution-lease.ts";
import { expire } from "../../src/store/expire.ts";
import { closeLease, drainLease } from "../../src/store/lease.ts";
import { pause } from "../../src/store/pause.ts";
import { promote } from "../../src/store/promote.ts";
import { prune, pruneLeases } from "../../src/store/prune.ts";
import { release } from "../../src/store/release.ts";
import { requeue } from "../../src/store/requeue.ts";
import { rerun } from "../../src/store/rerun.ts";
import { rescue } from "../../src/store/rescue.ts";
import { resume } from "../../src/store/resume.ts";
import { retry } from "../../src/store/retry.ts";
import { endServer, findOrphanedServers } from "../../src/store/server.ts";
import { foldCounts } from "../../src/store/stats.ts";
import { leaseFacts } from "./lease-facts.ts";
import { claimAs, completion, newExecution, type Seat, seedWorker, taskError } from "./seed.ts";

/** Rows in the queue at most. */
const ROWS = 60;
const DAY = 86_400;
/** What succeeded goes at once; the rest stays for the verbs that take what has ended. */
const KEEP = { SUCCEEDED: 0, FAILED: DAY, CANCELLED: DAY, EXPIRED: DAY, LOST: DAY };

export const any = <T>(values: readonly T[]): T => values[Math.floor(Math.random() * values.length)] as T;
const shuffled = <T>(values: readonly T[]): T[] =>
  values
    .map((value) => ({ value, at: Math.random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ value }) => value);
const some = <T>(values: readonly T[]): T[] => shuffled(values).slice(0, Math.ceil(Math.random() * values.length));

export interface Rows {
  readonly store: Store;
  /** Marked as a verb. */
  readonly sql: postgres.Sql;
  /** One that dies is replaced. */
  readonly seats: Seat[];
}

/** By name. */
export function everyVerb({ store, sql, seats }: Rows): Readonly<Record<string, (seat: Seat) => Promise<unknown>>> {
  const run = { rayTaskId: "r", nodeId: "n", workerId: "w", pid: 1, runSeconds: 1, ageSeconds: 1 };
  const servers = () => shuffled(seats.map(({ server }) => server));
  /** Some that the seat holds, in any order. */
  const held = async (seat: Seat): Promise<{ id: string; fence: number; leased: boolean }[]> => {
    const rows = await sql`select id, fence from rayferry.ray_task_execution where holder = ${seat.holder}`;
    return some(rows).map((row) => ({ id: row["id"], fence: Number(row["fence"]), leased: true }));
  };
  const ended = async (): Promise<string[]> =>
    some(await sql`select id from rayferry.ray_task_execution where finished_at is not null limit 20`).map(
      (row) => row["id"],
    );
  return {
    async enqueue() {
      const [row] = await sql`select count(*)::int as rows from rayferry.ray_task_execution where state = 'QUEUED'`;
      if (row?.["rows"] > ROWS) return;
      const executions = Array.from({ length: 10 }, () =>
        newExecution({ delaySeconds: any([0, 0, 0.05]), queueTimeoutSeconds: any([null, 0.5]) }),
      );
      // Twice at once: of the same ids, in the same order, one finds the other's.
      await Promise.all([enqueue(store, executions, true), enqueue(store, executions, true)]);
    },
    claim: (seat) => claimAs(store, seat, 20),
    async note(seat) {
      const place = { rayTaskId: "r", nodeId: "n", workerId: "w", pid: 1, ageSeconds: 1 };
      const noted = { phase: "RUNNING", isLeased: true, place, progress: null } as const;
      await noteAttempts(
        store,
        seat.holder,
        (await held(seat)).map((each) => ({ ...each, ...noted })),
      );
    },
    cleanExecutionLeases: () => cleanExecutionLeases(store),
    async complete(seat) {
      const done = (await held(seat)).map((each) => ({ ...completion(each), leased: true }));
      await complete(store, seat.holder, done);
    },
    async again(seat) {
      const ended = {
        outcome: any(["FAILED", "SNOOZED"] as const),
        error: taskError(),
        afterSeconds: 0,
        reason: "r",
        run,
      };
      await again(
        store,
        seat.holder,
        (await held(seat)).map((each) => ({ ...each, ...ended })),
      );
    },
    async requeue(seat) {
      await requeue(
        store,
        seat.holder,
        (await held(seat)).map((each) => ({ ...each, error: taskError() })),
      );
    },
    async release(seat) {
      const how = { reason: "r", delaySeconds: 0, unknownTask: false };
      await release(
        store,
        seat.holder,
        (await held(seat)).map((each) => ({ ...each, ...how })),
      );
    },
    async cancel(seat) {
      for (const { id } of (await held(seat)).slice(0, 5)) await cancel(store, id, null);
    },
    async cancelBatch() {
      const target = { states: [any(["QUEUED", "RUNNING"] as const)], task: "t.run" };
      await cancelBatch(store, { ...target, ids: shuffled(await readCancellable(store, target, null)) }, null);
    },
    async retry() {
      for (const id of (await ended()).slice(0, 3)) await retry(store, id);
    },
    async rerun() {
      for (const of of (await ended()).slice(0, 1)) await rerun(store, { id: newExecution().id, of, input: null });
    },
    async delete() {
      for (const id of (await ended()).slice(0, 3)) await deleteExecution(store, id);
    },
    async pause() {
      await pause(store, "default", null);
      await resume(store, "default");
    },
    async requestDrain(seat) {
      if (Math.random() < 0.3) await requestDrain(store, seat.worker);
    },
    async adopt(seat) {
      const other = any(seats);
      const inventory = await held(other);
      await adopt(store, { holder: seat.holder, worker: seat.worker, server: other.server, inventory });
    },
    requeueMissing: () =>
      requeueMissing(
        store,
        any(seats).server,
        some(seats).map(({ holder }) => holder),
        [],
      ),
    promote: () => promote(store),
    expire: () => expire(store),
    rescue: () => rescue(store),
    findOrphanedServers: (seat) => findOrphanedServers(store, seat.worker, seat.holder),
    beat: (seat) =>
      beat(
        store,
        seat.holder,
        leaseFacts(),
        servers(),
        servers().map((server) => ({ server, seconds: 8 })),
      ),
    async die(seat) {
      // A lease and an authority that have run out, some at once: whoever finds them writes to them.
      if (Math.random() < 0.5) return;
      await sql`update rayferry.task_worker_lease set expires_at = now() - interval '1 second' where id = ${seat.holder}`;
      if (Math.random() < 0.5)
        await sql`update rayferry.task_sidecar set authority_until = now() - interval '3 seconds' where id = ${seat.server}`;
      if (Math.random() < 0.3) await endServer(store, seat.server);
      if (Math.random() < 0.3) await drainLease(store, seat.holder);
      if (Math.random() < 0.3) await closeLease(store, seat.holder, null);
      const at = seats.indexOf(seat);
      if (at >= 0) seats[at] = await seedWorker(store, { outlives: true });
    },
    prune: () => prune(store, KEEP, null),
    async pruneLeases() {
      const old = "now() - interval '8 days'";
      const one = (table: string, is: string) =>
        `where id = (select id from rayferry.${table} where ${is} order by random() limit 1 for update skip locked)`;
      await sql.unsafe(
        `update rayferry.task_worker_lease set expires_at = ${old} ${one("task_worker_lease", "state in ('STOPPED', 'LOST')")}`,
      );
      await sql.unsafe(
        `update rayferry.task_sidecar set emptied_at = ${old} ${one("task_sidecar", "emptied_at is not null")}`,
      );
      await pruneLeases(store);
    },
    foldCounts: () => foldCounts(store),
    async define() {
      const common = { module: "m", kind: "function", queue: "default", num_cpus: 1, doc: null, parameters: [] };
      await define(
        store,
        some(["a", "b", "c"]).map((name) => ({ name, ...common })),
      );
    },
  };
}
