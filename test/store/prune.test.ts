import { randomUUID } from "node:crypto";
import { afterAll, beforeEach, describe, expect, test } from "vitest";
import { complete } from "../../src/store/complete.ts";
import { readStillOwn } from "../../src/store/lease.ts";
import { type Keep, PRUNE_BATCH, type PruneCursor, prune, pruneLeases, readPrunable } from "../../src/store/prune.ts";
import { rescue } from "../../src/store/rescue.ts";
import { retry } from "../../src/store/retry.ts";
import { stats } from "../../src/store/stats.ts";
import { seedEnded } from "../support/ended.ts";
import { claimAs, completion, openTestStore, seedQueued, seedRunning, seedWorker } from "../support/seed.ts";

const { store, sql, empty, close } = await openTestStore();
afterAll(close);
beforeEach(empty);

const DAY = 86_400;
const KEEP: Keep = { SUCCEEDED: 7 * DAY, FAILED: 30 * DAY, CANCELLED: 7 * DAY, EXPIRED: 7 * DAY, LOST: 30 * DAY };

const left = async () =>
  new Set((await sql`select id::text as id from rayferry.ray_task_execution`).map((row) => String(row["id"])));

/** A whole walk; the reports of its rounds. */
async function walk(keep = KEEP) {
  const reports = [];
  let cursor: PruneCursor | null = null;
  do {
    const report = await prune(store, keep, cursor);
    reports.push(report);
    ({ cursor } = report);
  } while (cursor !== null);
  return { removed: reports.reduce((sum, { removed }) => sum + removed, 0), rounds: reports.length };
}

describe("prune - removes what has been kept for its time", () => {
  test("by state; what is young, live or of a state that is kept longer stays", async () => {
    const seat = await seedWorker(store);
    const [running] = await seedRunning(store, seat, 1);
    const stays = [
      ...(await seedEnded(sql, 2, { days: 6.9 })),
      ...(await seedEnded(sql, 2, { days: 29.9, state: "FAILED" })),
      ...(await seedEnded(sql, 2, { days: 29.9, state: "LOST" })),
      ...(await seedEnded(sql, 2, { days: 6.9, state: "CANCELLED", writtenDays: 90 })),
      ...(await seedQueued(store, 1)),
      String(running?.id),
    ];
    await sql`update rayferry.ray_task_execution set created_at = now() - interval '90 days' where state in ('QUEUED', 'RUNNING')`;
    const goes = [
      ...(await seedEnded(sql, 3, { days: 7.1 })),
      ...(await seedEnded(sql, 1, { days: 7.1, state: "CANCELLED" })),
      ...(await seedEnded(sql, 1, { days: 7.1, state: "EXPIRED" })),
      ...(await seedEnded(sql, 1, { days: 30.1, state: "FAILED" })),
      ...(await seedEnded(sql, 1, { days: 30.1, state: "LOST" })),
    ];
    expect(await readPrunable(store, KEEP, null, [])).toEqual(goes.toSorted());
    expect(await walk()).toEqual({ removed: 7, rounds: 1 });
    expect(await left()).toEqual(new Set(stays));
    expect(await stats(store)).toMatchObject({ SUCCEEDED: 2, FAILED: 2, LOST: 2, CANCELLED: 2, EXPIRED: 0 });
  });

  test("with its attempts; a child or a rerun that names it is no obstacle, and stays", async () => {
    const [old = "", other = ""] = await seedEnded(sql, 2, { days: 8 });
    await sql`insert into rayferry.ray_task_attempt_ended (execution_id, fence, attempt, outcome) values (${old}, 1, 1, 'FAILED')`;
    const [child = "", rerun = ""] = await seedQueued(store, 2);
    await sql`update rayferry.ray_task_execution set parent_id = ${old} where id = ${child}`;
    await sql`update rayferry.ray_task_execution set rerun_of = ${other} where id = ${rerun}`;
    expect((await walk()).removed).toBe(2);
    expect(await sql`select from rayferry.ray_task_attempt_ended`).toHaveLength(0);
    expect(await left()).toEqual(new Set([child, rerun]));
  });

  test("kept for no time: everything that has ended, nothing else", async () => {
    await seedEnded(sql, 3, { days: 0 });
    await seedQueued(store, 1);
    expect((await walk({ SUCCEEDED: 0, FAILED: 0, CANCELLED: 0, EXPIRED: 0, LOST: 0 })).removed).toBe(3);
    expect((await left()).size).toBe(1);
  });
});

describe("prune - in batches", () => {
  test("a walk misses nothing, over queues, tasks and states, and doesn't look through what is young", async () => {
    for (const queue of ["a", "b"])
      for (const task of ["t.x", "t.y"]) {
        await seedEnded(sql, 700, { days: 8, queue, task });
        await seedEnded(sql, 100, { days: 1, writtenDays: 9, queue, task });
        await seedEnded(sql, 300, { days: 31, state: "FAILED", queue, task });
        await seedEnded(sql, 3_000, { days: 1, queue, task });
      }
    const { removed, rounds } = await walk();
    expect(removed).toBe(4 * 1_000);
    // 16,400 rows; those 12,000 that are young cost at most two batches in each of four places.
    expect(rounds).toBeLessThanOrEqual(5 + 4 * 2);
    expect(await stats(store)).toMatchObject({ SUCCEEDED: 4 * 3_100, FAILED: 0 });
  });

  test("a walk that begins anew in another worker misses nothing", async () => {
    await seedEnded(sql, 2 * PRUNE_BATCH + 1, { days: 8 });
    const first = await prune(store, KEEP, null);
    expect(first).toEqual({
      removed: PRUNE_BATCH,
      referred: 0,
      cursor: expect.objectContaining({ queue: "default", task: "t.run", state: "SUCCEEDED" }),
    });
    expect((await walk()).removed).toBe(PRUNE_BATCH + 1);
    expect(await prune(store, KEEP, first.cursor)).toEqual({ removed: 0, referred: 0, cursor: null });
  });

  test("a date of creation in the future hides nothing that is behind it", async () => {
    const odd = await seedEnded(sql, 1, { days: 8, writtenDays: -400 });
    await seedEnded(sql, 2 * PRUNE_BATCH, { days: 8 });
    expect((await walk()).removed).toBe(2 * PRUNE_BATCH + odd.length);
  });
});

describe("prune - beside others", () => {
  test("what somebody has locked is skipped, not waited for", async () => {
    const [locked = ""] = await seedEnded(sql, 3, { days: 8 });
    await sql.begin(async (tx) => {
      await tx`select from rayferry.ray_task_execution where id = ${locked} for update`;
      expect((await walk()).removed).toBe(2);
    });
    expect(await left()).toEqual(new Set([locked]));
    expect((await walk()).removed).toBe(1);
  });

  test("what is retried at the same moment runs again, or is gone: never both", async () => {
    for (let round = 0; round < 10; round += 1) {
      const [id = ""] = await seedEnded(sql, 1, { days: 31, state: "FAILED" });
      const [again, { removed }] = await Promise.all([retry(store, id), prune(store, KEEP, null)]);
      expect(again?.done === true ? 0 : 1).toBe(removed);
      expect((await stats(store)).QUEUED).toBe(again?.done === true ? 1 : 0);
      await empty();
    }
  });

  test("claims, completions and several prunes at once: no deadlock, nothing live is lost", async () => {
    const seats = await Promise.all([seedWorker(store), seedWorker(store)]);
    await seedEnded(sql, 3_000, { days: 8 });
    await seedQueued(store, 600);
    const work = async (n: 0 | 1) => {
      const seat = seats[n];
      for (let idle = 0; idle < 3; ) {
        const claimed = await claimAs(store, seat, 50);
        if (claimed.length === 0) idle += 1;
        let ends = claimed.map((each) => completion(each));
        while (ends.length > 0) {
          await complete(store, seat.holder, ends);
          // What a claim of the other had locked for a moment is left out.
          const own = await readStillOwn(store, seat.holder, ends);
          ends = ends.filter(({ id }) => own.has(id));
        }
      }
    };
    const removed = await Promise.all([walk(), walk(), walk(), work(0), work(1)]);
    expect(removed.slice(0, 3).reduce((sum, each) => sum + (each?.removed ?? 0), 0) + (await walk()).removed).toBe(
      3_000,
    );
    expect(await stats(store)).toMatchObject({ QUEUED: 0, RUNNING: 0, SUCCEEDED: 600 });
  });
});

describe("pruneLeases", () => {
  const ago = (what: string) =>
    sql.unsafe(`update rayferry.task_worker_lease set expires_at = now() - interval '${what}', state = 'LOST'`);

  test("a lease and its server that ended a week ago go; younger ones and live ones stay", async () => {
    const old = await seedWorker(store);
    await ago("8 days");
    await sql`update rayferry.task_sidecar set ended_at = now() - interval '8 days', emptied_at = now() - interval '8 days'`;
    const live = await seedWorker(store);
    expect(await pruneLeases(store)).toBe(1);
    // Its server went first: the lease follows in the next round.
    expect(await pruneLeases(store)).toBe(1);
    expect(await pruneLeases(store)).toBe(0);
    expect(await sql`select id from rayferry.task_worker_lease`).toEqual([{ id: live.holder }]);
    expect(old.holder).not.toBe(live.holder);
    await ago("6 days");
    expect(await pruneLeases(store)).toBe(0);
  });

  test("one that still has executions stays until they are rescued", async () => {
    const seat = await seedWorker(store);
    await seedRunning(store, seat, 1);
    await ago("8 days");
    expect(await pruneLeases(store)).toBe(0);
    await sql`update rayferry.task_sidecar set ended_at = now() - interval '8 days'`;
    expect(await rescue(store)).toHaveLength(1);
    expect(await pruneLeases(store)).toBe(0);
    await sql`update rayferry.task_sidecar set emptied_at = now() - interval '8 days'`;
    expect((await pruneLeases(store)) + (await pruneLeases(store))).toBe(2);
  });

  test("a server that outlived its holder keeps the holder's lease", async () => {
    await seedWorker(store, { outlives: true, epoch: randomUUID() });
    await ago("8 days");
    expect(await pruneLeases(store)).toBe(0);
  });
});
