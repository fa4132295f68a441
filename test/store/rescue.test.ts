import { describe, expect, test } from "vitest";
import { cancel } from "../../src/store/cancel.ts";
import { complete } from "../../src/store/complete.ts";
import { closeLease } from "../../src/store/lease.ts";
import { rescue } from "../../src/store/rescue.ts";
import { openSeatedStore } from "../support/seated-store.ts";
import { completion, readRow, seedOneRunning, seedQueued, seedRunning, seedWorker } from "../support/seed.ts";

const { store, sql, seat } = await openSeatedStore();

const server = (changes: string, of = seat) =>
  sql.unsafe(`update rayferry.task_sidecar set ${changes} where id = '${of.server}'`);
const lease = (changes: string) =>
  sql.unsafe(`update rayferry.task_worker_lease set ${changes} where id = '${seat.holder}'`);
const sidecarRow = async () => (await sql`select * from rayferry.task_sidecar where id = ${seat.server}`)[0];

describe("rescue - when a server counts as dead", () => {
  test.each([
    ["it ended 4.8 s ago", "ended_at = now() - interval '4.8 seconds'", 0],
    ["it ended 5 s ago", "ended_at = now() - interval '5.01 seconds'", 1],
    ["its authority ran out 1.8 s ago", "authority_until = now() - interval '1.8 seconds'", 0],
    ["its authority ran out 2 s ago", "authority_until = now() - interval '2.01 seconds'", 1],
    ["it is alive", "authority_until = now() + interval '1 second'", 0],
  ])("%s: %s", async (_what, changes, rescued) => {
    const held = await seedOneRunning(store, seat);
    await server(changes);
    expect(await rescue(store)).toHaveLength(rescued);
    expect(await readRow(sql, held.id)).toMatchObject({ state: rescued === 1 ? "QUEUED" : "RUNNING" });
  });
});

describe("rescue - what it does", () => {
  test("requeues on the infrastructure budget, with the reason", async () => {
    const held = await seedOneRunning(store, seat);
    await closeLease(store, seat.holder, "crashed");
    await server("ended_at = ended_at - interval '6 seconds'");
    expect(await rescue(store)).toEqual([{ id: held.id, state: "QUEUED" }]);
    const reason = `Requeued: the worker or sidecar that ran it is gone (worker ${seat.worker})`;
    const lost = { attempt: 0, infrastructure_losses: 1, ready: true, wait_reason: reason };
    expect(await readRow(sql, held.id)).toMatchObject(lost);
    expect(await rescue(store)).toEqual([]);
  });

  test("a cancel that was under way is done", async () => {
    const held = await seedOneRunning(store, seat);
    await cancel(store, held.id, null);
    await server("authority_until = now() - interval '3 seconds'");
    expect(await rescue(store)).toEqual([{ id: held.id, state: "CANCELLED" }]);
  });

  test("the dead worker's late result is refused", async () => {
    const held = await seedOneRunning(store, seat);
    await server("authority_until = now() - interval '3 seconds'");
    await rescue(store);
    expect(await complete(store, seat.holder, [completion(held)])).toEqual(new Set());
  });

  test("a lease that ran out is LOST with its server; one that still lives isn't", async () => {
    await server("authority_until = now() - interval '3 seconds'");
    await lease("expires_at = now() + interval '1 minute'");
    await rescue(store);
    const state = async () => (await sql`select state from rayferry.task_worker_lease where id = ${seat.holder}`)[0];
    expect(await state()).toEqual({ state: "READY" });
    await server("emptied_at = null");
    await lease("expires_at = now() - interval '1 second'");
    await rescue(store);
    expect(await state()).toEqual({ state: "LOST" });
  });

  test("what others hold, and what is queued, stays", async () => {
    const other = await seedWorker(store);
    const theirs = await seedOneRunning(store, other);
    const [queued = ""] = await seedQueued(store);
    await server("authority_until = now() - interval '3 seconds'");
    expect(await rescue(store)).toEqual([]);
    expect(await readRow(sql, theirs.id)).toMatchObject({ state: "RUNNING", holder: other.holder });
    expect(await readRow(sql, queued)).toMatchObject({ state: "QUEUED", infrastructure_losses: 0 });
  });

  test("1,100 rows in batches of 500", async () => {
    await seedRunning(store, seat, 1_100);
    await server("ended_at = now() - interval '6 seconds'");
    expect(await rescue(store)).toHaveLength(500);
    expect(await sidecarRow()).toMatchObject({ emptied_at: null });
    expect(await rescue(store)).toHaveLength(500);
    expect(await rescue(store)).toHaveLength(100);
    const [left] = await sql`select count(*)::int as n from rayferry.ray_task_execution where state = 'RUNNING'`;
    expect(left).toEqual({ n: 0 });
  });

  test("a claim that commits after a sweep is found by a later one, until the server has been gone for a minute", async () => {
    await server("ended_at = now() - interval '6 seconds'");
    expect(await rescue(store)).toEqual([]);
    expect(await sidecarRow()).toMatchObject({ emptied_at: null });
    // As a claim would have left it that began before the end.
    await server("ended_at = null");
    await seedOneRunning(store, seat);
    await server("ended_at = now() - interval '59 seconds'");
    expect(await rescue(store)).toHaveLength(1);
    await server("ended_at = now() - interval '61 seconds'");
    expect(await rescue(store)).toEqual([]);
    expect(await sidecarRow()).toMatchObject({ emptied_at: expect.any(Date) });
  });

  test("a server among many that have just ended", async () => {
    const held = await seedOneRunning(store, seat);
    await Promise.all(Array.from({ length: 20 }, () => seedWorker(store)));
    await sql`update rayferry.task_sidecar set ended_at = now() - interval '6 seconds'`;
    // The last in order.
    await sql`with moved as (update rayferry.ray_task_execution set server = 'ffffffff-ffff-4fff-bfff-ffffffffffff')
      update rayferry.task_sidecar set id = 'ffffffff-ffff-4fff-bfff-ffffffffffff' where id = ${seat.server}`;
    expect(await rescue(store)).toEqual([{ id: held.id, state: "QUEUED" }]);
  });

  test("a server that another sweeper has locked is skipped, not waited for", async () => {
    const other = await seedWorker(store);
    const [mine, theirs] = [await seedOneRunning(store, seat), await seedOneRunning(store, other)];
    for (const each of [seat, other]) await server("authority_until = now() - interval '3 seconds'", each);
    await sql.begin(async (tx) => {
      await tx`select from rayferry.task_sidecar where id = ${seat.server} for update`;
      expect((await rescue(store)).map((each) => each.id)).toEqual([theirs.id]);
    });
    expect((await rescue(store)).map((each) => each.id)).toEqual([mine.id]);
  });

  test("several sweepers at once - each row is requeued once, none is left", async () => {
    const seats = [seat, await seedWorker(store), await seedWorker(store)];
    for (const each of seats) await seedRunning(store, each, 100);
    for (const each of seats) await server("authority_until = now() - interval '3 seconds'", each);
    const rescued = await Promise.all(Array.from({ length: 6 }, () => rescue(store)));
    // SKIP LOCKED: a server that another sweeper looks at is that one's.
    const ids = rescued.flat().map((each) => each.id);
    expect(new Set(ids).size).toBe(300);
    expect(ids).toHaveLength(300);
    const losses = await sql`select distinct infrastructure_losses as n from rayferry.ray_task_execution`;
    expect(losses.map((row) => row["n"])).toEqual([1]);
  });
});
