/** What `ray_task_attempt` and its reader tell of every kind of end. */
import { describe, expect, test } from "vitest";
import { type AttemptToFollow, again } from "../../src/store/again.ts";
import { cancel } from "../../src/store/cancel.ts";
import type { ClaimedExecution } from "../../src/store/claim.ts";
import { complete } from "../../src/store/complete.ts";
import { readAttempts } from "../../src/store/read.ts";
import { release } from "../../src/store/release.ts";
import { requeue } from "../../src/store/requeue.ts";
import { openSeatedStore } from "../support/seated-store.ts";
import { claimAs, completion, seedOneRunning, taskError } from "../support/seed.ts";

const { store, sql, seat } = await openSeatedStore();

const BROKEN = taskError({ message: "broken\nin two lines" });
const TIMEOUT = taskError({ code: "Timeout", type: "rayferry.errors.SoftTimeout", message: "over" });
const NODE_LOST = taskError({ code: "NodeLost", type: "NodeLost", message: "its node died" });
const NO_VALUE = { contentType: null, value: null };

const end = ({ id, fence }: ClaimedExecution, fields: Parameters<typeof completion>[1] = {}) =>
  complete(store, seat.holder, [completion({ id, fence }, fields)]);
const follow = ({ id, fence }: ClaimedExecution, outcome: AttemptToFollow["outcome"], error = BROKEN) =>
  again(store, seat.holder, [{ id, fence, outcome, error, afterSeconds: 0, reason: "", run: RUN, leased: false }]);
const lose = ({ id, fence }: ClaimedExecution) =>
  requeue(store, seat.holder, [{ id, fence, error: NODE_LOST, run: RUN }]);
const handBack = ({ id, fence }: ClaimedExecution) =>
  release(store, seat.holder, [{ id, fence, reason: "", delaySeconds: 0, unknownTask: false }]);
const RUN = completion({ id: "", fence: 0 }).run;

async function next(): Promise<ClaimedExecution> {
  await sql`update rayferry.ray_task_execution set ready = true, run_at = now() where state = 'QUEUED'`;
  return (await claimAs(store, seat))[0] ?? expect.fail("Nothing could be claimed.");
}

/** [try, outcome, why] of each attempt. */
async function told(id: string) {
  return (await readAttempts(store, id)).map(({ attempt, outcome, why }) => [attempt, outcome, why]);
}

/** Rows beside the execution's own. */
const stored = async (id: string) =>
  (await sql`select from rayferry.ray_task_attempt_ended where execution_id = ${id}`).length;

describe("ray_task_attempt", () => {
  test("a success at once - everything about it, and no second row", async () => {
    const held = await seedOneRunning(store, seat);
    expect(await told(held.id)).toEqual([[1, "RUNNING", null]]);
    await end(held);
    const [only, ...more] = await readAttempts(store, held.id);
    expect(more).toEqual([]);
    expect(only).toEqual({
      ...{ fence: held.fence, attempt: 1, outcome: "SUCCEEDED", why: null, worker: seat.worker, error: null },
      ...{ rayTaskId: "r1", rayNodeId: "n1", rayWorkerId: "w1", pid: 7 },
      ...{ claimedAt: expect.any(Date), startedAt: expect.any(Date), finishedAt: expect.any(Date) },
      ...{ waitSeconds: expect.any(Number), runSeconds: 2 },
    });
    expect(await stored(held.id)).toBe(0);
  });

  test("failed, then timed out, then a success", async () => {
    const held = await seedOneRunning(store, seat, { maxAttempts: 3 });
    const { id } = held;
    await follow(held, "FAILED");
    expect(await told(id)).toEqual([[1, "FAILED", "ValueError: broken"]]);
    await follow(await next(), "TIMED_OUT", TIMEOUT);
    await end(await next());
    expect(await told(id)).toEqual([
      [1, "FAILED", "ValueError: broken"],
      [2, "TIMED_OUT", "rayferry.errors.SoftTimeout: over"],
      [3, "SUCCEEDED", null],
    ]);
    const [first] = await readAttempts(store, id);
    expect(first).toMatchObject({ rayTaskId: "r1", rayNodeId: "n1", pid: 7, runSeconds: 2, worker: seat.worker });
    expect(await stored(id)).toBe(2);
  });

  test("the last one timed out - so it is called, though its execution FAILED", async () => {
    const held = await seedOneRunning(store, seat);
    await end(held, { state: "FAILED", error: TIMEOUT, ...NO_VALUE });
    expect(await told(held.id)).toEqual([[1, "TIMED_OUT", "rayferry.errors.SoftTimeout: over"]]);
    expect(await stored(held.id)).toBe(0);
  });

  test("cancelled while it ran - CANCELLING, then CANCELLED, with the reason that was given", async () => {
    const held = await seedOneRunning(store, seat);
    await cancel(store, held.id, "not needed");
    expect(await told(held.id)).toEqual([[1, "CANCELLING", null]]);
    await end(held, { state: "CANCELLED", ...NO_VALUE });
    expect(await told(held.id)).toEqual([[1, "CANCELLED", "Cancelled: not needed"]]);
  });

  test("cancelled while it waited for its second attempt - that one never was", async () => {
    const held = await seedOneRunning(store, seat, { maxAttempts: 2 });
    await follow(held, "FAILED");
    await cancel(store, held.id, "not needed");
    expect(await told(held.id)).toEqual([[1, "FAILED", "ValueError: broken"]]);
  });

  test("lost, snoozed, lost: none was a try", async () => {
    const held = await seedOneRunning(store, seat);
    await lose(held);
    await follow(await next(), "SNOOZED", taskError({ type: "rayferry.errors.Snooze", message: "not yet" }));
    await lose(await next());
    await end(await next());
    expect(await told(held.id)).toEqual([
      [1, "LOST", "NodeLost: its node died"],
      [1, "SNOOZED", "rayferry.errors.Snooze: not yet"],
      [1, "LOST", "NodeLost: its node died"],
      [1, "SUCCEEDED", null],
    ]);
  });

  test("lost for good", async () => {
    const held = await seedOneRunning(store, seat, { retry: { losses: 0 } });
    await lose(held);
    expect(await told(held.id)).toEqual([[1, "LOST", "NodeLost: its node died"]]);
    expect((await readAttempts(store, held.id))[0]).toMatchObject({ rayTaskId: "r1", pid: 7, runSeconds: 2 });
    expect(await stored(held.id)).toBe(0);
  });

  test("released - no attempt at all, before the first one and after it", async () => {
    const held = await seedOneRunning(store, seat, { maxAttempts: 2 });
    await handBack(held);
    expect(await told(held.id)).toEqual([]);
    await follow(await next(), "FAILED");
    await handBack(await next());
    expect(await told(held.id)).toEqual([[1, "FAILED", "ValueError: broken"]]);
    await cancel(store, held.id, null);
    expect(await told(held.id)).toEqual([[1, "FAILED", "ValueError: broken"]]);
  });
});
