import { afterAll, beforeEach, describe, expect, test } from "vitest";
import { cancel } from "../../src/store/cancel.ts";
import type { ClaimedExecution } from "../../src/store/claim.ts";
import { type ReleasedAttempt, release } from "../../src/store/release.ts";
import { claimAs, openTestStore, readRow, type Seat, seedOneRunning, seedWorker } from "../support/seed.ts";

const { store, sql, empty, close } = await openTestStore();
let seat: Seat;
afterAll(close);
beforeEach(async () => {
  await empty();
  seat = await seedWorker(store, { tasks: ["other.task"] });
});

async function handBack(held: ClaimedExecution, fields: Partial<ReleasedAttempt> = {}): Promise<string> {
  const released = { id: held.id, fence: held.fence, reason: "No room.", delaySeconds: 0, unknownTask: false };
  const [row] = await release(store, seat.holder, [{ ...released, ...fields }]);
  return row?.state ?? "refused";
}

async function claimAgain(id: string): Promise<ClaimedExecution> {
  await sql`update rayferry.ray_task_execution set ready = true, run_at = now() where id = ${id}`;
  const [claimed] = await claimAs(store, seat);
  return claimed ?? expect.fail("It couldn't be claimed again.");
}

const UNKNOWN = { unknownTask: true, reason: "Worker w doesn't know it.", delaySeconds: 5 };

describe("release", () => {
  test("no attempt is used, no budget either; the reason is shown until the next claim", async () => {
    const held = await seedOneRunning(store, seat);
    expect(await handBack(held)).toBe("QUEUED");
    const counters = { attempt: 0, infrastructure_losses: 0 };
    const queued = { state: "QUEUED", ready: true, fence: null, holder: null, server: null, wait_reason: "No room." };
    expect(await readRow(sql, held.id)).toMatchObject({ ...queued, ...counters });
    expect(await claimAgain(held.id)).toMatchObject({ attempt: 1 });
    expect(await readRow(sql, held.id)).toMatchObject({ wait_reason: null, unknown_since: null });
  });

  test("nothing of the attempt is left on the row", async () => {
    const held = await seedOneRunning(store, seat);
    await sql`update rayferry.ray_task_execution set started_at = now(), ray_task_id = 'r', ray_node_id = 'n', ray_worker_id = 'w', pid = 7`;
    expect(await handBack(held)).toBe("QUEUED");
    const nothing = { started_at: null, ray_task_id: null, ray_node_id: null, ray_worker_id: null, pid: null };
    expect(await readRow(sql, held.id)).toMatchObject(nothing);
  });

  test("with a delay it isn't ready", async () => {
    const held = await seedOneRunning(store, seat);
    await handBack(held, { delaySeconds: 30 });
    const [row] = await sql`select ready, extract(epoch from run_at - now())::float8 as wait
      from rayferry.ray_task_execution where id = ${held.id}`;
    expect(row).toMatchObject({ ready: false, wait: expect.closeTo(30, 0) });
  });

  test("a late one is refused", async () => {
    const held = await seedOneRunning(store, seat);
    expect(await handBack(held, { fence: held.fence - 1 })).toBe("refused");
    expect(await readRow(sql, held.id)).toMatchObject({ state: "RUNNING" });
  });

  test("one that was being cancelled never began: CANCELLED", async () => {
    const held = await seedOneRunning(store, seat);
    await cancel(store, held.id, null);
    expect(await handBack(held)).toBe("CANCELLED");
    expect(await readRow(sql, held.id)).toMatchObject({ finished_at: expect.any(Date), wait_reason: null });
  });
});

describe("release - a task that the worker doesn't know", () => {
  const longAgo = (id: string, ago: string) =>
    sql.unsafe(`update rayferry.ray_task_execution set unknown_since = now() - interval '${ago}' where id = '${id}'`);

  test("since when is kept from the first time on", async () => {
    const held = await seedOneRunning(store, seat);
    expect(await handBack(held, UNKNOWN)).toBe("QUEUED");
    const first = (await readRow(sql, held.id))["unknown_since"];
    expect(first).toBeInstanceOf(Date);
    await handBack(await claimAgain(held.id), UNKNOWN);
    expect(await readRow(sql, held.id)).toMatchObject({ unknown_since: first, wait_reason: UNKNOWN.reason });
  });

  test("9 minutes 59: goes on waiting. 10 minutes: FAILED (UnknownTask)", async () => {
    const held = await seedOneRunning(store, seat);
    await longAgo(held.id, "9 minutes 59 seconds");
    expect(await handBack(held, UNKNOWN)).toBe("QUEUED");
    const again = await claimAgain(held.id);
    await longAgo(held.id, "10 minutes 1 second");
    expect(await handBack(again, UNKNOWN)).toBe("FAILED");
    const message = `${UNKNOWN.reason} No live worker has registered it for 10 minutes.`;
    const failed = { state: "FAILED", error: { code: "UnknownTask", type: "UnknownTask", message }, attempt: 0 };
    expect(await readRow(sql, held.id)).toMatchObject({ ...failed, finished_at: expect.any(Date) });
  });

  test("not while a live worker registers it, however long; but a dead one's word is worth nothing", async () => {
    const knows = await seedWorker(store, { tasks: ["t.run"] });
    const held = await seedOneRunning(store, seat);
    await longAgo(held.id, "3 days");
    expect(await handBack(held, UNKNOWN)).toBe("QUEUED");
    await sql`update rayferry.task_worker_lease set expires_at = now() - interval '1 second' where id = ${knows.holder}`;
    // From now on nobody knows it: the ten minutes begin here, not when it was met first.
    expect(await handBack(await claimAgain(held.id), UNKNOWN)).toBe("QUEUED");
    const again = await claimAgain(held.id);
    await longAgo(held.id, "10 minutes 1 second");
    expect(await handBack(again, UNKNOWN)).toBe("FAILED");
  });
});
