import { describe, expect, test } from "vitest";
import { adopt } from "../../src/store/adopt.ts";
import { complete } from "../../src/store/complete.ts";
import { cleanExecutionLeases, noteAttempts } from "../../src/store/execution-lease.ts";
import { closeLease } from "../../src/store/lease.ts";
import { readExecutions } from "../../src/store/read.ts";
import { release } from "../../src/store/release.ts";
import { rescue } from "../../src/store/rescue.ts";
import { noted, PLACE } from "../support/noted.ts";
import { openSeatedStore } from "../support/seated-store.ts";
import { completion, readRow, seedOneRunning, seedQueued, seedRunning, seedWorker } from "../support/seed.ts";

const { store, sql, seat } = await openSeatedStore({}, { outlives: true });

const rows = () => sql`select * from rayferry.execution_lease order by execution_id`;

describe("noteAttempts", () => {
  test("writes phase, place and progress, and with the execution when and where it began", async () => {
    const held = await seedOneRunning(store, seat);
    const progress = { current: 3, total: 10, message: "a\0b" };
    expect(await noteAttempts(store, seat.holder, [noted(held, { progress })])).toEqual(new Set([held.id]));
    const place = { ray_task_id: "r1", ray_node_id: "n1", ray_worker_id: "w1", pid: 7 };
    const [row] = await rows();
    const whose = { execution_id: held.id, fence: String(held.fence), holder: seat.holder, server: seat.server };
    const told = { progress_current: 3, progress_total: 10, progress_message: "a\\0b" };
    expect(row).toMatchObject({ ...whose, phase: "RUNNING", ...place, ...told });
    const execution = await readRow(sql, held.id);
    expect(execution).toMatchObject({ state: "RUNNING", ...place });
    expect(execution["started_at"]).toEqual(row?.["started_at"]);
    expect((Date.now() - execution["started_at"].getTime()) / 1000).toBeCloseTo(3, 0);
  });

  test("from its start on it has no deadline; before, it keeps it", async () => {
    const held = await seedOneRunning(store, seat, { queueTimeoutSeconds: 60 });
    await noteAttempts(store, seat.holder, [noted(held, { phase: "PENDING", place: null })]);
    expect(await readRow(sql, held.id)).toMatchObject({ expires_at: expect.any(Date), started_at: null });
    await noteAttempts(store, seat.holder, [noted(held)]);
    expect(await readRow(sql, held.id)).toMatchObject({ expires_at: null, started_at: expect.any(Date) });
  });

  test("the start of one that isn't held for long yet costs no row", async () => {
    const held = await seedOneRunning(store, seat);
    await noteAttempts(store, seat.holder, [noted(held, { isLeased: false })]);
    expect(await rows()).toEqual([]);
    expect(await readRow(sql, held.id)).toMatchObject({ pid: 7, started_at: expect.any(Date) });
  });

  test("the start is written once, and what isn't known again is kept", async () => {
    const held = await seedOneRunning(store, seat);
    const told = { current: 1, total: null, message: null };
    await noteAttempts(store, seat.holder, [noted(held, { progress: told })]);
    const before = await readRow(sql, held.id);
    await noteAttempts(store, seat.holder, [noted(held, { place: { ...PLACE, pid: 8, ageSeconds: 1 } })]);
    await noteAttempts(store, seat.holder, [noted(held, { place: null })]);
    expect(await readRow(sql, held.id)).toEqual(before);
    expect((await rows())[0]).toMatchObject({ pid: 8, ray_task_id: "r1", progress_current: 1 });
  });

  test("a newer attempt's row begins anew", async () => {
    const held = await seedOneRunning(store, seat);
    await noteAttempts(store, seat.holder, [noted(held, { progress: { current: 9, total: 9, message: "done" } })]);
    await sql`update rayferry.ray_task_execution set fence = fence + 1, started_at = null`;
    const next = { id: held.id, fence: held.fence + 1 };
    await noteAttempts(store, seat.holder, [noted(next, { phase: "PENDING", place: null })]);
    const nothing = { pid: null, ray_task_id: null, started_at: null, progress_current: null, progress_message: null };
    expect((await rows())[0]).toMatchObject({ fence: String(next.fence), phase: "PENDING", ...nothing });
  });

  test.each([1, -1])("a stale one in the batch of the good one doesn't count", async (order) => {
    const held = await seedOneRunning(store, seat);
    const stale = noted({ id: held.id, fence: held.fence - 1 }, { place: { ...PLACE, rayTaskId: "stale" } });
    const batch = order === 1 ? [stale, noted(held)] : [noted(held), stale];
    await noteAttempts(store, seat.holder, batch);
    expect(await readRow(sql, held.id)).toMatchObject({ ray_task_id: "r1" });
    expect(await rows()).toMatchObject([{ ray_task_id: "r1" }]);
  });

  test("a stale fence or holder changes nothing", async () => {
    const other = await seedWorker(store);
    const held = await seedOneRunning(store, seat);
    const stale = { id: held.id, fence: held.fence + 1 };
    expect(await noteAttempts(store, seat.holder, [noted(stale)])).toEqual(new Set());
    expect(await noteAttempts(store, other.holder, [noted(held)])).toEqual(new Set());
    await complete(store, seat.holder, [completion(held)]);
    expect(await noteAttempts(store, seat.holder, [noted(held)])).toEqual(new Set());
    expect(await rows()).toEqual([]);
  });

  test("what is read of a held execution tells phase and progress; of one that has ended, nothing", async () => {
    const held = await seedOneRunning(store, seat);
    const read = async () => (await readExecutions(store, [held.id]))[0]?.lease;
    expect(await read()).toBeNull();
    const progress = { current: 0.5, total: null, message: "half" };
    await noteAttempts(store, seat.holder, [noted(held, { progress })]);
    expect(await read()).toEqual({ phase: "RUNNING", progress });
    await complete(store, seat.holder, [completion(held)]);
    expect(await read()).toBeNull();
  });
});

describe("lease rows end", () => {
  test("with a release", async () => {
    const [back, stays] = await seedRunning(store, seat, 2);
    if (back === undefined || stays === undefined) throw new Error("Nothing is held.");
    const waiting = { phase: "PENDING", place: null } as const;
    await noteAttempts(store, seat.holder, [noted(back, waiting), noted(stays, waiting)]);
    const released = { reason: "r", delaySeconds: 0, unknownTask: false, leased: true };
    await release(store, seat.holder, [{ id: back.id, fence: back.fence, ...released }]);
    expect(await rows()).toMatchObject([{ execution_id: stays.id }]);
  });

  test("with a rescue", async () => {
    const held = await seedOneRunning(store, seat);
    await noteAttempts(store, seat.holder, [noted(held)]);
    await sql`update rayferry.task_sidecar set ended_at = now() - interval '6 seconds'`;
    expect(await rescue(store)).toHaveLength(1);
    expect(await rows()).toEqual([]);
  });

  test("not with an adoption, which changes their holder", async () => {
    const heir = await seedWorker(store);
    const held = await seedOneRunning(store, seat);
    await noteAttempts(store, seat.holder, [noted(held)]);
    await closeLease(store, seat.holder, null);
    const inventory = [{ id: held.id, fence: held.fence }];
    await adopt(store, { holder: heir.holder, worker: heir.worker, server: seat.server, inventory });
    expect(await rows()).toMatchObject([{ execution_id: held.id, holder: heir.holder, phase: "RUNNING" }]);
  });
});

describe("cleanExecutionLeases", () => {
  test("removes what no held execution has: ended, deleted, or held under another fence", async () => {
    const [held, ended, deleted, again] = await seedRunning(store, seat, 4);
    const [queued = ""] = await seedQueued(store);
    for (const each of [held, ended, deleted, again])
      if (each !== undefined) await noteAttempts(store, seat.holder, [noted(each)]);
    await sql`insert into rayferry.execution_lease (execution_id, fence, holder, server, phase)
      values (${queued}, 1, ${seat.holder}, ${seat.server}, 'PENDING')`;
    // As the verbs leave them that know of no row.
    await sql`update rayferry.ray_task_execution set state = 'SUCCEEDED', fence = null, holder = null, server = null, finished_at = now(),
      result_content_type = 'application/json' where id = ${ended?.id ?? ""}`;
    await sql`delete from rayferry.ray_task_execution where id = ${deleted?.id ?? ""}`;
    await sql`update rayferry.ray_task_execution set fence = fence + 100 where id = ${again?.id ?? ""}`;
    await sql`insert into rayferry.execution_lease (execution_id, fence, holder, server, phase)
      values (${ended?.id ?? ""}, 1, ${seat.holder}, ${seat.server}, 'RUNNING'), (${deleted?.id ?? ""}, 1, ${seat.holder}, ${seat.server}, 'RUNNING')
      on conflict (execution_id) do nothing`;
    expect(await cleanExecutionLeases(store)).toBe(4);
    expect(await rows()).toMatchObject([{ execution_id: held?.id }]);
    expect(await cleanExecutionLeases(store)).toBe(0);
  });
});
