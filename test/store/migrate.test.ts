import { randomUUID } from "node:crypto";
import postgres from "postgres";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ConfigurationError, DatabaseNewerError, DatabaseNotMigratedError } from "../../src/errors.ts";
import { beat } from "../../src/store/beat.ts";
import { cancel } from "../../src/store/cancel.ts";
import { cancelBatch, readCancellable } from "../../src/store/cancel-many.ts";
import { complete } from "../../src/store/complete.ts";
import { connect } from "../../src/store/connection.ts";
import { define, readDefinitions } from "../../src/store/definitions.ts";
import { deleteExecution } from "../../src/store/delete.ts";
import { readDeleted } from "../../src/store/deleted.ts";
import { readDrained, readLeft, readLiveNames, requestDrain } from "../../src/store/drain.ts";
import { wake } from "../../src/store/enqueue.ts";
import { cleanExecutionLeases, noteAttempts } from "../../src/store/execution-lease.ts";
import { expire } from "../../src/store/expire.ts";
import { closeLease, drainLease, readCancels, readNameHolders } from "../../src/store/lease.ts";
import { list } from "../../src/store/list.ts";
import { ADVISORY_LOCK, checkMigrated, migrate } from "../../src/store/migrate.ts";
import { pause } from "../../src/store/pause.ts";
import { promote } from "../../src/store/promote.ts";
import { prune, pruneLeases } from "../../src/store/prune.ts";
import { readQueues } from "../../src/store/queues.ts";
import { readAttempts, readExecutions, readExisting, readFinished, readWorkers } from "../../src/store/read.ts";
import { release } from "../../src/store/release.ts";
import { requeue } from "../../src/store/requeue.ts";
import { rerun } from "../../src/store/rerun.ts";
import { rescue } from "../../src/store/rescue.ts";
import { resume } from "../../src/store/resume.ts";
import { retry } from "../../src/store/retry.ts";
import { foldCounts, stats } from "../../src/store/stats.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { leaseFacts } from "../support/lease-facts.ts";
import { completion, seedOneRunning, seedQueued, seedWorker, taskError } from "../support/seed.ts";
import { waitFor } from "../support/wait-for.ts";

let database: TestDatabase;
let sql: postgres.Sql;

beforeEach(async () => {
  database = await createTestDatabase({ migrated: false });
  sql = postgres(database.url, { max: 2, onnotice: () => {} });
});

afterEach(async () => {
  await sql.end();
  await database.drop();
});

const relations = () =>
  sql`select n.nspname, c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname not in ('pg_catalog', 'information_schema', 'pg_toast') order by 1, 2`;

describe("migrate", () => {
  test("an empty database, then the same again - nothing is left to do the second time", async () => {
    const first = await migrate({ databaseUrl: database.url });
    expect(first.applied).toBe(first.total);
    expect(first.total).toBeGreaterThan(0);
    const made = await relations();
    expect(made.map((each) => each["relname"])).toContain("ray_task_execution");
    expect(await migrate({ databaseUrl: database.url })).toEqual({ applied: 0, total: first.total });
    expect(await relations()).toEqual(made);
  });

  test.each(["read committed", "serializable"])(
    "five at once on an empty database, %s - one does it, all succeed",
    async (isolation) => {
      const name = new URL(database.url).pathname.slice(1);
      await sql.unsafe(`alter database "${name}" set default_transaction_isolation = '${isolation}'`);
      const reports = await Promise.all(Array.from({ length: 5 }, () => migrate({ databaseUrl: database.url })));
      const total = reports[0]?.total ?? 0;
      expect(reports.map((each) => each.applied).sort()).toEqual([0, 0, 0, 0, total]);
    },
  );

  test("another migration is waited for as long as it takes, whatever the database's own limits", async () => {
    const name = new URL(database.url).pathname.slice(1);
    for (const limit of ["statement_timeout", "lock_timeout"])
      await sql.unsafe(`alter database "${name}" set ${limit} = '400ms'`);
    const other = await sql.reserve();
    await other`select pg_advisory_lock(${ADVISORY_LOCK}, hashtext('rayferry'))`;
    const migrating = migrate({ databaseUrl: database.url });
    migrating.catch(() => {});
    const waits = () => sql`select from pg_stat_activity
      where datname = ${name} and wait_event = 'advisory' and clock_timestamp() > query_start + interval '600 milliseconds'`;
    await waitFor("it waits for longer than that", async () => (await waits()).length === 1);
    await other`select pg_advisory_unlock_all()`;
    other.release();
    expect((await migrating).applied).toBeGreaterThan(0);
  });

  test("a failure leaves nothing half done", async () => {
    await sql`create schema rayferry`;
    // In the way of a later statement than the first.
    await sql`create table rayferry.task_worker_lease (mine int)`;
    const before = await relations();
    await expect(migrate({ databaseUrl: database.url })).rejects.toThrow(/task_worker_lease.* already exists/);
    expect(await relations()).toEqual(before);
  });

  test("a newer rayferry migrated it in a way that this one can work with - told by checkMigrated, and no matter", async () => {
    const { total } = await migrate({ databaseUrl: database.url });
    await sql`insert into rayferry.migration (created_at, hash, breaks_older) values (9999999999998, 'newer', false)`;
    const store = connect({ databaseUrl: database.url });
    expect(await checkMigrated(store)).toBe(1);
    expect(await migrate({ databaseUrl: database.url })).toEqual({ applied: 0, total });
    await store.close();
  });

  test("those up to 0002 break older builds, and say so", async () => {
    await migrate({ databaseUrl: database.url });
    const rows = await sql`select breaks_older from rayferry.migration order by created_at limit 3`;
    expect(rows.map((row) => row["breaks_older"])).toEqual([true, true, true]);
  });

  test("a newer rayferry migrated it in a way that breaks this one - refused, as by checkMigrated", async () => {
    await migrate({ databaseUrl: database.url });
    await sql`insert into rayferry.migration (created_at, hash, breaks_older) values (9999999999999, 'newer', true)`;
    const store = connect({ databaseUrl: database.url });
    for (const refused of [() => migrate({ databaseUrl: database.url }), () => checkMigrated(store)]) {
      await expect(refused()).rejects.toThrow(DatabaseNewerError);
      await expect(refused()).rejects.toThrow(
        `has 1 migration(s) that this version of rayferry doesn't know and can't work with: a newer one migrated it. Install that version.`,
      );
    }
    await store.close();
  });

  test.each(["Rayferry", "a b", 'x"; drop schema public', "", "1a", "a".repeat(41)])(
    "the schema %j - refused before anything is sent",
    async (schema) => {
      await expect(migrate({ databaseUrl: "postgres://nobody@127.0.0.1:1/none", schema })).rejects.toThrow(
        ConfigurationError,
      );
    },
  );
});

describe("checkMigrated", () => {
  test("an empty database, one migration missing, all there", async () => {
    const store = connect({ databaseUrl: database.url });
    await expect(checkMigrated(store)).rejects.toThrow(DatabaseNotMigratedError);
    await expect(checkMigrated(store)).rejects.toThrow(
      /isn't migrated .* Run `rayferry migrate`, or correct the database URL/,
    );
    const { total } = await migrate({ databaseUrl: database.url });
    expect(await checkMigrated(store)).toBe(0);
    await sql`delete from rayferry.migration where created_at = (select max(created_at) from rayferry.migration)`;
    await expect(checkMigrated(store)).rejects.toThrow(DatabaseNotMigratedError);
    await expect(checkMigrated(store)).rejects.toThrow(`lacks 1 of ${total} migrations. Run \`rayferry migrate\`.`);
    await store.close();
  });
});

test("a schema of another name - every verb works there, and nothing is made elsewhere", async () => {
  const schema = "tenant_1";
  await migrate({ databaseUrl: database.url, schema });
  const found = await relations();
  expect(new Set(found.map((each) => each["nspname"]))).toEqual(new Set([schema]));
  const store = connect({ databaseUrl: database.url, schema });
  await checkMigrated(store);
  const seat = await seedWorker(store, { name: "w" });
  const parameters = { module: "t", kind: "function", queue: "default", num_cpus: 1, doc: null, parameters: [] };
  await define(store, [{ name: "t.run", ...parameters }]);
  expect((await readDefinitions(store)).map((each) => each.name)).toEqual(["t.run"]);
  const timed = await seedOneRunning(store, seat, { queueTimeoutSeconds: 60 });
  const noted = {
    id: timed.id,
    fence: timed.fence,
    phase: "PENDING" as const,
    isLeased: true,
    place: null,
    progress: null,
  };
  expect(await noteAttempts(store, seat.holder, [noted])).toEqual(new Set([timed.id]));
  expect(await cleanExecutionLeases(store)).toBe(0);
  expect(await expire(store)).toEqual({ expired: 0, nextInSeconds: null });
  expect(await complete(store, seat.holder, [completion(timed)])).toEqual(new Set([timed.id]));
  const [done, lost, handedBack] = [
    await seedOneRunning(store, seat),
    await seedOneRunning(store, seat),
    await seedOneRunning(store, seat),
  ];
  expect(await complete(store, seat.holder, [completion(done)])).toEqual(new Set([done.id]));
  expect(await requeue(store, seat.holder, [{ id: lost.id, fence: lost.fence, error: taskError() }])).toHaveLength(1);
  const released = { reason: "r", delaySeconds: 60, unknownTask: true };
  expect(await release(store, seat.holder, [{ id: handedBack.id, fence: handedBack.fence, ...released }])).toHaveLength(
    1,
  );
  expect(await promote(store)).toMatchObject({ promoted: 0, nextInSeconds: expect.closeTo(60, 0) });
  expect(await cancel(store, lost.id, null)).toMatchObject({ before: "QUEUED", after: "CANCELLED" });
  expect(await beat(store, seat.holder, leaseFacts(), [seat.server], [{ server: seat.server, seconds: 8 }])).toEqual({
    renewed: true,
    authorized: [seat.server],
    leads: true,
    drainRequested: false,
    held: [],
    cancels: [],
    overdue: [],
    hasOtherServers: false,
  });
  expect(await readCancels(store, seat.holder, [seat.server])).toEqual([]);
  expect(await readNameHolders(store, "w")).toHaveLength(1);
  expect(await stats(store)).toMatchObject({ SUCCEEDED: 2, CANCELLED: 1, QUEUED: 1 });
  expect(await foldCounts(store)).toEqual({ folded: 2, more: false });
  expect(await list(store, {})).toHaveLength(4);
  expect(await list(store, { state: "SUCCEEDED" })).toHaveLength(2);
  const week = 7 * 86_400;
  const keep = { SUCCEEDED: week, FAILED: week, CANCELLED: week, EXPIRED: week, LOST: week };
  expect(await prune(store, keep, null)).toEqual({ removed: 0, referred: 0, cursor: null });
  expect(await pruneLeases(store)).toBe(0);
  expect(await readExecutions(store, [done.id])).toHaveLength(1);
  expect(await readFinished(store, [done.id, handedBack.id])).toHaveLength(1);
  expect(await readExisting(store, [done.id, randomUUID()])).toMatchObject([{ id: done.id, overdue: false }]);
  expect(await readAttempts(store, done.id)).toHaveLength(1);
  expect(await readWorkers(store)).toHaveLength(1);
  expect(await retry(store, lost.id)).toMatchObject({ before: "CANCELLED", done: true });
  expect(await readCancellable(store, { states: ["QUEUED"], task: "t.run" }, null)).toHaveLength(2);
  expect(await cancelBatch(store, { states: ["QUEUED"], ids: [lost.id] }, null)).toMatchObject({ cancelled: 1 });
  expect(await rerun(store, { id: randomUUID(), of: done.id, input: null })).toMatchObject({ done: true });
  expect(await deleteExecution(store, done.id)).toMatchObject({ done: true });
  expect(await readDeleted(store, [done.id])).toEqual([done.id]);
  expect(await pause(store, "default", null)).toMatchObject({ name: "default" });
  expect(await readQueues(store)).toMatchObject([{ name: "default", ready: 1, scheduled: 1, workers: 1 }]);
  expect(await resume(store, "default")).toBe(true);
  const asked = await requestDrain(store, "w");
  expect(await readDrained(store, "w", asked)).toMatchObject([{ id: seat.holder, held: 0 }]);
  expect(await readLeft(store, asked, 20)).toEqual([]);
  expect(await readLiveNames(store)).toEqual(["w"]);
  await wake(store, ["default"]);
  await drainLease(store, seat.holder);
  await closeLease(store, seat.holder, null);
  expect(await rescue(store)).toEqual([]);
  await seedQueued(store);
  await store.close();
  expect(await relations()).toEqual(found);
});
