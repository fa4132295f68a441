import { describe, expect, test } from "vitest";
import { DEFAULT_RETRY } from "../../src/retry-policy.ts";
import { cancel } from "../../src/store/cancel.ts";
import type { ClaimedExecution } from "../../src/store/claim.ts";
import { complete } from "../../src/store/complete.ts";
import { noteAttempts } from "../../src/store/execution-lease.ts";
import { readAttempts } from "../../src/store/read.ts";
import { requeue } from "../../src/store/requeue.ts";
import { noted } from "../support/noted.ts";
import { openSeatedStore } from "../support/seated-store.ts";
import { claimAs, completion, readRow, seedOneRunning, seedRunning, seedWorker, taskError } from "../support/seed.ts";

const { store, sql, seat, woken, finished } = await openSeatedStore({
  woken: "enqueuedChannel",
  finished: "finishedChannel",
});

async function lose(held: ClaimedExecution, code = "NodeLost"): Promise<string> {
  const error = taskError({ code, message: `${code}!` });
  const [row] = await requeue(store, seat.holder, [{ id: held.id, fence: held.fence, error }]);
  return row?.state ?? "refused";
}

/** Skips the backoff. */
async function claimAgain(id: string): Promise<ClaimedExecution> {
  await sql`update rayferry.ray_task_execution set ready = true, run_at = now() where id = ${id}`;
  const [claimed] = await claimAs(store, seat);
  return claimed?.id === id ? claimed : expect.fail("It couldn't be claimed again.");
}

/** Loses it once for each code; the states it came to. */
async function loseInTurn(codes: readonly string[]): Promise<{ id: string; states: string[] }> {
  let held = await seedOneRunning(store, seat);
  const states: string[] = [];
  for (const [n, code] of codes.entries()) {
    if (n > 0) held = await claimAgain(held.id);
    states.push(await lose(held, code));
  }
  return { id: held.id, states };
}

describe("requeue", () => {
  test("the first time at once; no attempt is used, and the reason is shown", async () => {
    const held = await seedOneRunning(store, seat);
    await woken.take();
    expect(await lose(held)).toBe("QUEUED");
    expect(await readRow(sql, held.id)).toMatchObject({
      state: "QUEUED",
      ready: true,
      attempt: 0,
      infrastructure_losses: 1,
      fence: null,
      holder: null,
      server: null,
      error: null,
      finished_at: null,
      wait_reason: "Requeued: NodeLost!",
    });
    expect(await woken.take()).toEqual(["default"]);
    expect(await finished.take()).toEqual([]);
    expect(await claimAgain(held.id)).toMatchObject({ attempt: 1 });
  });

  test("the second time after a backoff", async () => {
    const held = await seedOneRunning(store, seat);
    await lose(held);
    const again = await claimAgain(held.id);
    await woken.take();
    await lose(again);
    const [row] = await sql`select ready, extract(epoch from run_at - now())::float8 as wait
      from rayferry.ray_task_execution where id = ${held.id}`;
    expect(row).toMatchObject({ ready: false });
    // 2 s times 0.5 to 1, less what the look itself took.
    expect(row?.["wait"]).toBeGreaterThan(0);
    expect(row?.["wait"]).toBeLessThanOrEqual(2);
    expect(await woken.take()).toEqual([""]);
  });

  test("a late one is refused: stale fence, other holder", async () => {
    const held = await seedOneRunning(store, seat);
    const other = await seedWorker(store);
    const lost = { id: held.id, fence: held.fence, error: taskError() };
    expect(await requeue(store, seat.holder, [{ ...lost, fence: held.fence - 1 }])).toEqual([]);
    expect(await requeue(store, other.holder, [lost])).toEqual([]);
    expect(await readRow(sql, held.id)).toMatchObject({ state: "RUNNING", infrastructure_losses: 0 });
  });

  test("the budget - after that it is LOST with the last error", async () => {
    const { id, states } = await loseInTurn(Array(DEFAULT_RETRY.losses + 1).fill("NodeLost"));
    expect(states).toEqual([...Array(DEFAULT_RETRY.losses).fill("QUEUED"), "LOST"]);
    expect(await readRow(sql, id)).toMatchObject({
      state: "LOST",
      error: { code: "NodeLost", message: "NodeLost!" },
      infrastructure_losses: DEFAULT_RETRY.losses + 1,
      finished_at: expect.any(Date),
      wait_reason: null,
    });
    expect(await finished.take()).toEqual([id]);
  });

  test("a budget of the execution's own", async () => {
    let held = await seedOneRunning(store, seat, { retry: { losses: 1 } });
    expect(await lose(held)).toBe("QUEUED");
    held = await claimAgain(held.id);
    expect(await lose(held)).toBe("LOST");
  });

  test("a budget that is no number, written by hand - counts as none", async () => {
    const held = await seedOneRunning(store, seat);
    await sql`update rayferry.ray_task_execution set retry = '{"losses": "many"}' where id = ${held.id}`;
    expect(await lose(held)).toBe("QUEUED");
  });

  test("its place and times are on record, and not in the row that waits", async () => {
    const held = await seedOneRunning(store, seat, { queueTimeoutSeconds: 60 });
    const run = { rayTaskId: "r1", nodeId: "n1", workerId: "w1", pid: 7, runSeconds: 2, ageSeconds: 1 };
    await requeue(store, seat.holder, [{ id: held.id, fence: held.fence, error: taskError(), run }]);
    const [ended] = await sql`select *, extract(epoch from finished_at - started_at)::float8 as ran,
      extract(epoch from now() - finished_at)::float8 as ago from rayferry.ray_task_attempt_ended where execution_id = ${held.id}`;
    expect(ended).toMatchObject({ ray_task_id: "r1", ray_node_id: "n1", ray_worker_id: "w1", pid: 7, ran: 2 });
    expect(ended?.["ago"]).toBeGreaterThanOrEqual(1);
    const row = await readRow(sql, held.id);
    expect(row).toMatchObject({ ray_task_id: null, pid: null, started_at: null, expires_at: null });
  });

  test("what nobody tells of - is on record as it was noted", async () => {
    const held = await seedOneRunning(store, seat);
    const place = { rayTaskId: "r2", nodeId: "n2", workerId: "w2", pid: 8, ageSeconds: 3 };
    await noteAttempts(store, seat.holder, [noted(held, { place })]);
    await lose(held);
    const [ended] = await readAttempts(store, held.id);
    expect(ended).toMatchObject({ rayTaskId: "r2", rayNodeId: "n2", pid: 8, startedAt: expect.any(Date) });
  });

  test("one that was being cancelled is CANCELLED", async () => {
    const held = await seedOneRunning(store, seat);
    await cancel(store, held.id, "enough");
    expect(await lose(held)).toBe("CANCELLED");
    expect(await readRow(sql, held.id)).toMatchObject({ state: "CANCELLED", error: null, cancel_reason: "enough" });
    expect(await finished.take()).toEqual([held.id]);
  });

  test("many at once, the stale ones left out", async () => {
    const held = await seedRunning(store, seat, 300);
    const lost = held.map(({ id, fence }, n) => ({ id, fence: n < 100 ? fence + 5_000 : fence, error: taskError() }));
    expect(await requeue(store, seat.holder, lost)).toHaveLength(200);
  });

  test("NUL in the error doesn't keep it from being requeued", async () => {
    const held = await seedOneRunning(store, seat);
    const lost = { id: held.id, fence: held.fence, error: taskError({ message: "a\0b" }) };
    expect(await requeue(store, seat.holder, [lost])).toHaveLength(1);
    expect((await readRow(sql, held.id))["wait_reason"]).toBe("Requeued: a\\0b");
  });
});

describe("requeue - a process that dies again and again", () => {
  test("the third death in a row is the task's own fault", async () => {
    const { id, states } = await loseInTurn(["ProcessCrashed", "ProcessCrashed", "ProcessCrashed"]);
    expect(states).toEqual(["QUEUED", "QUEUED", "FAILED"]);
    expect(await readRow(sql, id)).toMatchObject({
      error: { code: "ProcessCrashed", message: "ProcessCrashed! (for the 3rd time in a row: it is not run again)" },
      attempt: 1,
    });
  });

  test("given another try by hand it has as many again", async () => {
    const { id } = await loseInTurn(["ProcessCrashed", "ProcessCrashed", "ProcessCrashed"]);
    await sql`insert into rayferry.ray_task_attempt_ended (execution_id, fence, attempt, outcome, error)
      select id, last_fence, attempt, 'FAILED', error from rayferry.ray_task_execution where id = ${id}`;
    await sql`update rayferry.ray_task_execution set state = 'QUEUED', max_attempts = 2, error = null, finished_at = null where id = ${id}`;
    for (const state of ["QUEUED", "QUEUED", "FAILED"])
      expect(await lose(await claimAgain(id), "ProcessCrashed")).toBe(state);
  });

  test("so it is after other losses", async () => {
    const crashes = ["ProcessCrashed", "ProcessCrashed", "ProcessCrashed"];
    const { states } = await loseInTurn(["NodeLost", "NodeLost", ...crashes]);
    expect(states).toEqual(["QUEUED", "QUEUED", "QUEUED", "QUEUED", "FAILED"]);
  });

  test("a lost node between them begins the row anew", async () => {
    const { states } = await loseInTurn(["ProcessCrashed", "ProcessCrashed", "NodeLost", "ProcessCrashed"]);
    expect(states).toEqual(["QUEUED", "QUEUED", "QUEUED", "QUEUED"]);
  });
});

test("requeue - every attempt stays readable in ray_task_attempt, oldest first", async () => {
  const first = await seedOneRunning(store, seat);
  await lose(first);
  expect(await readAttempts(store, first.id)).toMatchObject([{ fence: first.fence, outcome: "LOST" }]);
  const second = await claimAgain(first.id);
  expect(await readAttempts(store, first.id)).toMatchObject([
    { fence: first.fence, attempt: 1, outcome: "LOST", worker: seat.worker, error: { code: "NodeLost" } },
    { fence: second.fence, attempt: 1, outcome: "RUNNING", worker: seat.worker, error: null, finishedAt: null },
  ]);
  await complete(store, seat.holder, [completion(second)]);
  const attempts = await readAttempts(store, first.id);
  expect(attempts.map((each) => each.outcome)).toEqual(["LOST", "SUCCEEDED"]);
  expect(attempts[0]?.finishedAt).toBeInstanceOf(Date);
  expect(attempts[1]).toMatchObject({ rayTaskId: "r1", rayNodeId: "n1", rayWorkerId: "w1", pid: 7 });
});
