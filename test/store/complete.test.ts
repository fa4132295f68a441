import { describe, expect, test } from "vitest";
import { decodePayload, encodePayload } from "../../src/payload.ts";
import { cancel } from "../../src/store/cancel.ts";
import { complete } from "../../src/store/complete.ts";
import { noteAttempts } from "../../src/store/execution-lease.ts";
import { readStillOwn } from "../../src/store/lease.ts";
import { requeue } from "../../src/store/requeue.ts";
import { noted } from "../support/noted.ts";
import { openSeatedStore } from "../support/seated-store.ts";
import { claimAs, completion, readRow, seedOneRunning, seedRunning, seedWorker, taskError } from "../support/seed.ts";

const { store, sql, seat, notifications } = await openSeatedStore({ notifications: "finishedChannel" });

const RELEASED = { fence: null, holder: null, server: null };

describe("complete - how it ended", () => {
  test("SUCCEEDED with JSON: the value, who ran it, and when by its own clock", async () => {
    const held = await seedOneRunning(store, seat);
    const value = Buffer.from('{"total": 3.5, "names": ["ä"]}');
    expect(await complete(store, seat.holder, [completion(held, { value })])).toEqual(new Set([held.id]));
    expect(await readRow(sql, held.id)).toMatchObject({
      ...RELEASED,
      state: "SUCCEEDED",
      result: { total: 3.5, names: ["ä"] },
      result_bytes: null,
      result_content_type: "application/json",
      error: null,
      worker: seat.worker,
      last_fence: String(held.fence),
      attempt: 1,
      ray_task_id: "r1",
      ray_node_id: "n1",
      ray_worker_id: "w1",
      pid: 7,
    });
    const [times] = await sql`select extract(epoch from finished_at - started_at)::float8 as ran,
      extract(epoch from now() - finished_at)::float8 as ago from rayferry.ray_task_execution where id = ${held.id}`;
    expect(times?.["ran"]).toBe(2);
    expect(times?.["ago"]).toBeGreaterThanOrEqual(1);
    expect(times?.["ago"]).toBeLessThan(5);
  });

  test("SUCCEEDED with null: a value too", async () => {
    const held = await seedOneRunning(store, seat);
    await complete(store, seat.holder, [completion(held, { value: Buffer.from("null") })]);
    const [row] =
      await sql`select state, result::text as result from rayferry.ray_task_execution where id = ${held.id}`;
    expect(row).toEqual({ state: "SUCCEEDED", result: "null" });
  });

  test("SUCCEEDED with MessagePack: the same bytes", async () => {
    const held = await seedOneRunning(store, seat);
    const { bytes, contentType } = encodePayload({ when: new Date(5), n: 2n ** 63n });
    await complete(store, seat.holder, [completion(held, { value: bytes, contentType })]);
    const row = await readRow(sql, held.id);
    expect(row).toMatchObject({ result: null, result_content_type: "application/msgpack" });
    expect(decodePayload({ json: null, bytes: row["result_bytes"] })).toEqual({ when: new Date(5), n: 2n ** 63n });
  });

  test("FAILED: the error, and no result", async () => {
    const held = await seedOneRunning(store, seat);
    const error = taskError({ traceback: "Traceback ..." });
    const failed = completion(held, { state: "FAILED", contentType: null, value: null, error });
    await complete(store, seat.holder, [failed]);
    expect(await readRow(sql, held.id)).toMatchObject({ ...RELEASED, state: "FAILED", error, result: null });
  });

  test("FAILED before it started: no start", async () => {
    const held = await seedOneRunning(store, seat);
    const run = { rayTaskId: null, nodeId: null, workerId: null, pid: null, runSeconds: null, ageSeconds: 0 };
    const failed = { state: "FAILED", contentType: null, value: null, error: taskError(), run } as const;
    await complete(store, seat.holder, [completion(held, failed)]);
    expect(await readRow(sql, held.id)).toMatchObject({ started_at: null, finished_at: expect.any(Date), pid: null });
  });

  test("FAILED by the death of its process, which told nothing: place and start as they were noted", async () => {
    const held = await seedOneRunning(store, seat);
    await noteAttempts(store, seat.holder, [noted(held, { isLeased: false })]);
    const run = { rayTaskId: null, nodeId: null, workerId: null, pid: null, runSeconds: null, ageSeconds: 0 };
    const failed = { state: "FAILED", contentType: null, value: null, error: taskError(), run } as const;
    await complete(store, seat.holder, [completion(held, failed)]);
    const row = await readRow(sql, held.id);
    expect(row).toMatchObject({ ray_task_id: "r1", ray_node_id: "n1", pid: 7, started_at: expect.any(Date) });
    expect(row["finished_at"] - row["started_at"]).toBeGreaterThanOrEqual(3_000);
  });

  test("CANCELLED after a cancel; SUCCEEDED if it finished first", async () => {
    const [stopped, faster] = await seedRunning(store, seat, 2);
    if (stopped === undefined || faster === undefined) expect.fail();
    for (const each of [stopped, faster]) await cancel(store, each.id, "enough");
    const cancelled = completion(stopped, { state: "CANCELLED", contentType: null, value: null });
    expect((await complete(store, seat.holder, [cancelled, completion(faster)])).size).toBe(2);
    expect(await readRow(sql, stopped.id)).toMatchObject({ state: "CANCELLED", cancel_reason: "enough" });
    expect(await readRow(sql, faster.id)).toMatchObject({ state: "SUCCEEDED", result: 1 });
  });

  test.each(["message", "traceback", "type"] as const)(
    "NUL or half a surrogate pair in the %s: shown, not refused",
    async (field) => {
      const held = await seedOneRunning(store, seat);
      const error = taskError({ [field]: "a\0b\ud800c" });
      const failed = completion(held, { state: "FAILED", contentType: null, value: null, error });
      expect((await complete(store, seat.holder, [failed])).size).toBe(1);
      expect((await readRow(sql, held.id))["error"]).toMatchObject({ [field]: "a\\0b\ufffdc" });
    },
  );
});

describe("complete - a late one is refused and changes nothing", () => {
  test("an older fence, a newer one, another holder", async () => {
    const held = await seedOneRunning(store, seat);
    const other = await seedWorker(store);
    const before = await readRow(sql, held.id);
    expect(await complete(store, seat.holder, [completion({ ...held, fence: held.fence - 1 })])).toEqual(new Set());
    expect(await complete(store, seat.holder, [completion({ ...held, fence: held.fence + 1 })])).toEqual(new Set());
    expect(await complete(store, other.holder, [completion(held)])).toEqual(new Set());
    expect(await readRow(sql, held.id)).toEqual(before);
    expect(await notifications.take()).toEqual([]);
  });

  test("the attempt before: it was requeued and claimed again by the same worker", async () => {
    const held = await seedOneRunning(store, seat);
    await requeue(store, seat.holder, [{ id: held.id, fence: held.fence, error: taskError() }]);
    const [again] = await claimAs(store, seat);
    if (again === undefined) expect.fail();
    expect(await complete(store, seat.holder, [completion(held)])).toEqual(new Set());
    expect(await readRow(sql, held.id)).toMatchObject({ state: "RUNNING", fence: String(again.fence) });
    expect((await complete(store, seat.holder, [completion(again)])).size).toBe(1);
  });

  test.each([1, -1])("a stale one in the batch of the good one, whichever comes first", async (order) => {
    const held = await seedOneRunning(store, seat);
    const stale = completion({ ...held, fence: held.fence - 1 }, { value: Buffer.from('"stale"') });
    const batch = [stale, completion(held, { value: Buffer.from('"good"') })];
    await complete(store, seat.holder, order === 1 ? batch : batch.toReversed());
    expect(await readRow(sql, held.id)).toMatchObject({ state: "SUCCEEDED", result: "good" });
  });

  test("the second of two", async () => {
    const held = await seedOneRunning(store, seat);
    await complete(store, seat.holder, [completion(held, { value: Buffer.from("1") })]);
    expect(await complete(store, seat.holder, [completion(held, { value: Buffer.from("2") })])).toEqual(new Set());
    expect((await readRow(sql, held.id))["result"]).toBe(1);
  });

  test("the stale ones of a batch don't stop the others", async () => {
    const held = await seedRunning(store, seat, 10);
    const batch = held.map((each, n) => completion(n % 2 === 0 ? each : { ...each, fence: each.fence + 1_000 }));
    const accepted = await complete(store, seat.holder, batch);
    expect(accepted).toEqual(new Set(held.filter((_each, n) => n % 2 === 0).map((each) => each.id)));
    const [running] = await sql`select count(*)::int as n from rayferry.ray_task_execution where state = 'RUNNING'`;
    expect(running).toEqual({ n: 5 });
  });

  test("one that somebody has locked is left out, not waited for, and is still its holder's", async () => {
    const [locked, other] = await seedRunning(store, seat, 2);
    if (locked === undefined || other === undefined) throw new Error("Two were claimed.");
    await sql.begin(async (tx) => {
      await tx`select from rayferry.ray_task_execution where id = ${locked.id} for update`;
      const accepted = await complete(store, seat.holder, [completion(locked), completion(other)]);
      expect(accepted).toEqual(new Set([other.id]));
      expect(await readStillOwn(store, seat.holder, [locked, other])).toEqual(new Set([locked.id]));
    });
    expect(await complete(store, seat.holder, [completion(locked)])).toEqual(new Set([locked.id]));
  });

  test("one that a row of the user's refers to, in an open transaction, isn't locked by that", async () => {
    await sql`create table orders (execution uuid references rayferry.ray_task_execution (id) on delete cascade)`;
    const held = await seedOneRunning(store, seat);
    await sql.begin(async (tx) => {
      await tx`insert into orders values (${held.id})`;
      expect(await complete(store, seat.holder, [completion(held)])).toEqual(new Set([held.id]));
    });
    await sql`drop table orders`;
  });

  test("two at once for the same attempt - one wins", async () => {
    const held = await seedRunning(store, seat, 50);
    const values = ["1", "2", "3", "4"];
    const write = (value: string, n: number) => {
      // In different orders: rows are locked by id, so nobody deadlocks.
      const batch = held.map((each) => completion(each, { value: Buffer.from(value) }));
      return complete(store, seat.holder, n % 2 === 0 ? batch : batch.toReversed());
    };
    const accepted = await Promise.all(values.map(write));
    expect(accepted.map((each) => each.size).reduce((sum, each) => sum + each)).toBe(50);
  });
});

test("complete - tells who waits, at most 200 ids a notification", async () => {
  const held = await seedRunning(store, seat, 401);
  await complete(
    store,
    seat.holder,
    held.map((each) => completion(each)),
  );
  const told = (await notifications.take()).map((payload) => payload.split(","));
  expect(told.map((each) => each.length).sort((one, other) => one - other)).toEqual([1, 200, 200]);
  expect(new Set(told.flat())).toEqual(new Set(held.map((each) => each.id)));
});
