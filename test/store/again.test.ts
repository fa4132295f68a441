import { describe, expect, test } from "vitest";
import { type AttemptToFollow, again } from "../../src/store/again.ts";
import { cancel } from "../../src/store/cancel.ts";
import type { ClaimedExecution } from "../../src/store/claim.ts";
import { noteAttempts } from "../../src/store/execution-lease.ts";
import { noted } from "../support/noted.ts";
import { openSeatedStore } from "../support/seated-store.ts";
import { claimAs, readRow, seedOneRunning, seedRunning, seedWorker, taskError } from "../support/seed.ts";

const { store, sql, seat, woken, finished } = await openSeatedStore({
  woken: "enqueuedChannel",
  finished: "finishedChannel",
});

const RUN = { rayTaskId: "r1", nodeId: "n1", workerId: "w1", pid: 7, runSeconds: 2, ageSeconds: 1 };
const UNTOLD = { rayTaskId: null, nodeId: null, workerId: null, pid: null, runSeconds: null, ageSeconds: 0 };

function toFollow(held: ClaimedExecution, fields: Partial<AttemptToFollow> = {}): AttemptToFollow {
  const { id, fence } = held;
  const error = taskError({ message: "no more disk" });
  const shared = { id, fence, outcome: "FAILED", error, afterSeconds: 30, reason: "Attempt 2 of 3", run: RUN } as const;
  return { ...shared, leased: false, ...fields };
}

async function endedAttempts(id: string) {
  return await sql`select *, extract(epoch from finished_at - started_at)::float8 as ran
    from rayferry.ray_task_attempt_ended where execution_id = ${id} order by fence`;
}

describe("again - a failed attempt", () => {
  test("is queued for later, keeps its try used, and shows why; nothing is left of the attempt in its row", async () => {
    const held = await seedOneRunning(store, seat, { maxAttempts: 3 });
    await woken.take();
    expect(await again(store, seat.holder, [toFollow(held)])).toEqual([{ id: held.id, state: "QUEUED" }]);
    expect(await readRow(sql, held.id)).toMatchObject({
      ...{ state: "QUEUED", attempt: 1, infrastructure_losses: 0, ready: false, wait_reason: "Attempt 2 of 3" },
      ...{ fence: null, holder: null, server: null, error: null, started_at: null, finished_at: null },
      ...{ ray_task_id: null, ray_node_id: null, ray_worker_id: null, pid: null },
    });
    const [wait] = await sql`select extract(epoch from run_at - now())::float8 as seconds
      from rayferry.ray_task_execution where id = ${held.id}`;
    expect(wait?.["seconds"]).toBeCloseTo(30, 0);
    expect(await woken.take()).toEqual([""]);
    expect(await finished.take()).toEqual([]);
  });

  test("is on record with all that is known of it", async () => {
    const held = await seedOneRunning(store, seat);
    await again(store, seat.holder, [toFollow(held, { outcome: "TIMED_OUT" })]);
    expect(await endedAttempts(held.id)).toMatchObject([
      {
        ...{ fence: String(held.fence), attempt: 1, outcome: "TIMED_OUT", worker: seat.worker, ran: 2 },
        ...{ error: { type: "ValueError", message: "no more disk" }, claimed_at: expect.any(Date) },
        ...{ ray_task_id: "r1", ray_node_id: "n1", ray_worker_id: "w1", pid: 7 },
      },
    ]);
  });

  test("of a killed process, that told nothing - its place and start are those that were noted", async () => {
    const held = await seedOneRunning(store, seat);
    await noteAttempts(store, seat.holder, [noted(held, { place: { ...RUN, ageSeconds: 4 } })]);
    await again(store, seat.holder, [toFollow(held, { outcome: "TIMED_OUT", run: UNTOLD })]);
    const [ended] = await endedAttempts(held.id);
    expect(ended).toMatchObject({ ray_task_id: "r1", ray_node_id: "n1", ray_worker_id: "w1", pid: 7 });
    expect(ended?.["ran"]).toBeGreaterThanOrEqual(4);
  });

  test("with no wait - is ready at once, and its workers are woken", async () => {
    const held = await seedOneRunning(store, seat, { queue: "fast" });
    await woken.take();
    await again(store, seat.holder, [toFollow(held, { afterSeconds: 0 })]);
    expect(await woken.take()).toEqual(["fast"]);
    const [next] = await claimAs(store, seat, 1, ["fast"]);
    expect(next).toMatchObject({ id: held.id, attempt: 2 });
    expect(next?.fence).toBeGreaterThan(held.fence);
  });

  test("its deadline is gone once it has begun, and stays if it never did", async () => {
    const [begun, never] = await seedRunning(store, seat, 2, { queueTimeoutSeconds: 60 });
    if (begun === undefined || never === undefined) expect.fail();
    await again(store, seat.holder, [toFollow(begun), toFollow(never, { run: UNTOLD })]);
    expect((await readRow(sql, begun.id))["expires_at"]).toBeNull();
    expect((await readRow(sql, never.id))["expires_at"]).toBeInstanceOf(Date);
  });

  test("NUL or half a surrogate pair in error and reason - shown, not refused", async () => {
    const held = await seedOneRunning(store, seat);
    const odd = "a\0b\ud800c";
    await again(store, seat.holder, [toFollow(held, { error: taskError({ message: odd }), reason: odd })]);
    expect((await readRow(sql, held.id))["wait_reason"]).toBe("a\\0b\ufffdc");
  });
});

test("again - a snooze uses no try, however often", async () => {
  let held = await seedOneRunning(store, seat, { maxAttempts: 1 });
  const { id } = held;
  for (let n = 0; n < 3; n += 1) {
    const snoozed = toFollow(held, { outcome: "SNOOZED", afterSeconds: 0, reason: "Snoozed" });
    expect(await again(store, seat.holder, [snoozed])).toMatchObject([{ state: "QUEUED" }]);
    expect(await readRow(sql, id)).toMatchObject({ attempt: 0, infrastructure_losses: 0, wait_reason: "Snoozed" });
    held = (await claimAs(store, seat))[0] ?? expect.fail("It couldn't be claimed again.");
    expect(held.terms).toMatchObject({ attempt: 1, maxAttempts: 1 });
  }
  expect((await endedAttempts(id)).map(({ outcome, attempt }) => [outcome, attempt])).toEqual(
    Array(3).fill(["SNOOZED", 1]),
  );
});

describe("again - one that is being cancelled, unknown to its holder", () => {
  test.each([
    ["FAILED", "FAILED", { type: "ValueError" }],
    ["TIMED_OUT", "FAILED", { type: "ValueError" }],
    ["SNOOZED", "CANCELLED", null],
  ] as const)("%s - ends %s, and no other attempt follows", async (outcome, state, error) => {
    const held = await seedOneRunning(store, seat);
    await cancel(store, held.id, "enough");
    expect(await again(store, seat.holder, [toFollow(held, { outcome })])).toEqual([{ id: held.id, state }]);
    const row = await readRow(sql, held.id);
    expect(row).toMatchObject({ state, wait_reason: null, pid: 7, finished_at: expect.any(Date) });
    if (error === null) expect(row["error"]).toBeNull();
    else expect(row["error"]).toMatchObject(error);
    expect(await endedAttempts(held.id)).toEqual([]);
    expect(await finished.take()).toEqual([held.id]);
  });
});

describe("again - a late one is refused and changes nothing", () => {
  test("an older fence, a newer one, another holder", async () => {
    const held = await seedOneRunning(store, seat);
    const other = await seedWorker(store);
    const before = await readRow(sql, held.id);
    expect(await again(store, seat.holder, [toFollow({ ...held, fence: held.fence - 1 })])).toEqual([]);
    expect(await again(store, seat.holder, [toFollow({ ...held, fence: held.fence + 1 })])).toEqual([]);
    expect(await again(store, other.holder, [toFollow(held)])).toEqual([]);
    expect(await readRow(sql, held.id)).toEqual(before);
    expect(await endedAttempts(held.id)).toEqual([]);
  });

  test("the same twice: the second time", async () => {
    const held = await seedOneRunning(store, seat);
    await again(store, seat.holder, [toFollow(held)]);
    expect(await again(store, seat.holder, [toFollow(held)])).toEqual([]);
  });

  test("among many only the stale ones", async () => {
    const held = await seedRunning(store, seat, 300);
    const some = held.map((each, n) => toFollow(n % 3 === 0 ? { ...each, fence: each.fence + 5_000 } : each));
    expect(await again(store, seat.holder, some)).toHaveLength(200);
  });
});
