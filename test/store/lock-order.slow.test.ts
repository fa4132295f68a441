/**
 * Every verb, over the same few rows, from many connections at once: none may wait for another in a circle. The order that they keep is in
 * docs/decisions/0005-durable-core.md; 50 ms after two wait for each other, Postgres ends one, and counts it.
 */
import postgres from "postgres";
import { afterAll, expect, test } from "vitest";
import { RayferryError } from "../../src/errors.ts";
import { adopt, requeueMissing } from "../../src/store/adopt.ts";
import { beat } from "../../src/store/beat.ts";
import { cancel } from "../../src/store/cancel.ts";
import { complete } from "../../src/store/complete.ts";
import { connect } from "../../src/store/connection.ts";
import { define } from "../../src/store/definitions.ts";
import { enqueue } from "../../src/store/enqueue.ts";
import { cleanExecutionLeases, noteAttempts } from "../../src/store/execution-lease.ts";
import { expire } from "../../src/store/expire.ts";
import { closeLease, drainLease } from "../../src/store/lease.ts";
import { promote } from "../../src/store/promote.ts";
import { release } from "../../src/store/release.ts";
import { requeue } from "../../src/store/requeue.ts";
import { rescue } from "../../src/store/rescue.ts";
import { endServer, findOrphanedServers } from "../../src/store/server.ts";
import { leaseFacts } from "../support/lease-facts.ts";
import { claimAs, completion, newExecution, openTestStore, type Seat, seedWorker, taskError } from "../support/seed.ts";

const SECONDS = 5;
const CONNECTIONS = 24;
const SEATS = 6;
/** Rows in the queue at most. */
const ROWS = 60;

const { url, store: calm, sql, close } = await openTestStore();
const database = new URL(url).pathname.slice(1);
await sql`alter database ${sql(database)} set deadlock_timeout = '50ms'`;
const store = connect({ databaseUrl: url, max: CONNECTIONS });
afterAll(async () => {
  await store.close();
  await close();
});

const any = <T>(values: readonly T[]): T => values[Math.floor(Math.random() * values.length)] as T;
const shuffled = <T>(values: readonly T[]): T[] =>
  values
    .map((value) => ({ value, at: Math.random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ value }) => value);
const some = <T>(values: readonly T[]): T[] => shuffled(values).slice(0, Math.ceil(Math.random() * values.length));

test("every verb at once over the same rows - no deadlock", async () => {
  const seats: Seat[] = [];
  for (let n = 0; n < SEATS; n += 1) seats.push(await seedWorker(calm, { outlives: true }));
  const failures: string[] = [];
  const done = new Map<string, number>();
  const until = performance.now() + SECONDS * 1000;
  const heldBy = async (seat: Seat) =>
    await sql<
      { id: string; fence: string }[]
    >`select id, fence from rayferry.ray_task_execution where holder = ${seat.holder}`;
  const pairs = async (seat: Seat) => some(await heldBy(seat)).map(({ id, fence }) => ({ id, fence: Number(fence) }));
  const servers = () => shuffled(seats.map(({ server }) => server));
  const place = { rayTaskId: "r", nodeId: "n", workerId: "w", pid: 1, ageSeconds: 1 };

  const verbs: Record<string, (seat: Seat) => Promise<unknown>> = {
    async enqueue() {
      const [row] = await sql`select count(*)::int as rows from rayferry.ray_task_execution where state = 'QUEUED'`;
      if (row?.["rows"] > ROWS) return;
      // Twice at once: of the same ids, in the same order, one finds the other's.
      const executions = Array.from({ length: 10 }, () =>
        newExecution({ delaySeconds: any([0, 0, 0.05]), queueTimeoutSeconds: any([null, 0.1]) }),
      );
      await Promise.all([enqueue(store, executions, true), enqueue(store, executions, true)]);
    },
    claim: (seat) => claimAs(store, seat, 20),
    complete: async (seat) =>
      complete(
        store,
        seat.holder,
        (await pairs(seat)).map((each) => completion(each)),
      ),
    requeue: async (seat) =>
      requeue(
        store,
        seat.holder,
        (await pairs(seat)).map((each) => ({ ...each, error: taskError() })),
      ),
    release: async (seat) => {
      const how = { reason: "r", delaySeconds: 0, unknownTask: false };
      await release(
        store,
        seat.holder,
        (await pairs(seat)).map((each) => ({ ...each, ...how })),
      );
    },
    noteAttempts: async (seat) =>
      noteAttempts(
        store,
        seat.holder,
        (await pairs(seat)).map((each) => ({ ...each, phase: "RUNNING", isLeased: true, place, progress: null })),
      ),
    cleanExecutionLeases: () => cleanExecutionLeases(store),
    expire: () => expire(store),
    async cancel(seat) {
      for (const { id } of (await pairs(seat)).slice(0, 5)) await cancel(store, id, null);
    },
    async adopt(seat) {
      const other = any(seats);
      const inventory = shuffled(await pairs(other));
      await adopt(store, { holder: seat.holder, worker: seat.worker, server: other.server, inventory });
    },
    requeueMissing: () =>
      requeueMissing(
        store,
        any(seats).server,
        some(seats).map(({ holder }) => holder),
      ),
    promote: () => promote(store),
    rescue: () => rescue(store),
    findOrphanedServers: (seat) => findOrphanedServers(store, seat.worker, seat.holder),
    beat: (seat) =>
      beat(
        store,
        seat.holder,
        leaseFacts({ running: 1 }),
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
    async define() {
      const common = { module: "m", kind: "function", queue: "default", num_cpus: 1, doc: null, parameters: [] };
      await define(
        store,
        some(["a", "b", "c"]).map((name) => ({ name, ...common })),
      );
    },
  };

  const hammer = async (): Promise<void> => {
    while (performance.now() < until) {
      const verb = any(Object.keys(verbs));
      try {
        await verbs[verb]?.(any(seats));
        done.set(verb, (done.get(verb) ?? 0) + 1);
      } catch (error) {
        const cause = error instanceof RayferryError ? error.cause : error;
        const detail = cause instanceof postgres.PostgresError ? (cause.detail ?? "") : "";
        failures.push(`${verb}: ${error} ${detail}`);
      }
    }
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, hammer));

  // A seat that died between two steps of another is no failure of the order.
  expect(failures.filter((each) => !each.includes("WorkerError"))).toEqual([]);
  expect(Object.keys(verbs).filter((verb) => (done.get(verb) ?? 0) < 5)).toEqual([]);
  const [row] = await sql`select deadlocks::int from pg_stat_database where datname = ${database}`;
  expect(row?.["deadlocks"]).toBe(0);
}, 60_000);
