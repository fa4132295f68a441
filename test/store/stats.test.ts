import { afterAll, beforeEach, describe, expect, test } from "vitest";
import { cancel } from "../../src/store/cancel.ts";
import { complete } from "../../src/store/complete.ts";
import { within } from "../../src/store/connection.ts";
import { retry } from "../../src/store/retry.ts";
import { counts, FOLD_BATCH, foldCounts, stats } from "../../src/store/stats.ts";
import { TASK_STATES } from "../../src/task-state.ts";
import {
  completion,
  openTestStore,
  seedOneRunning,
  seedQueued,
  seedRunning,
  seedWorker,
  taskError,
} from "../support/seed.ts";
import { waitFor } from "../support/wait-for.ts";

const { store, sql, empty, close } = await openTestStore();
afterAll(close);
beforeEach(empty);

/** What a look at every row says. */
async function looked() {
  const rows =
    await sql`select queue, task, state, count(*)::int as count from rayferry.ray_task_execution group by 1, 2, 3`;
  return new Set(rows.map((row) => JSON.stringify(row)));
}

async function counted() {
  const rows = await counts(store);
  return new Set(rows.map(({ queue, task, state, count }) => JSON.stringify({ queue, task, state, count })));
}

const failed = { state: "FAILED" as const, contentType: null, value: null, error: taskError() };

test("stats - every state is there, also those with none; by queue and by task", async () => {
  expect(await stats(store)).toEqual(Object.fromEntries(TASK_STATES.map((state) => [state, 0])));
  const seat = await seedWorker(store);
  const [done] = await seedRunning(store, seat, 3);
  if (done === undefined) expect.fail();
  await complete(store, seat.holder, [completion(done)]);
  await seedQueued(store, 4, { queue: "other" });
  await seedQueued(store, 1, { queue: "other", task: "t.else" });
  expect(await stats(store)).toMatchObject({ QUEUED: 5, RUNNING: 2, SUCCEEDED: 1, FAILED: 0 });
  expect(await stats(store, { queue: "other" })).toMatchObject({ QUEUED: 5, RUNNING: 0, SUCCEEDED: 0 });
  expect(await stats(store, { task: "t.run" })).toMatchObject({ QUEUED: 4, RUNNING: 2, SUCCEEDED: 1 });
  expect(await stats(store, { queue: "other", task: "t.else" })).toMatchObject({ QUEUED: 1, RUNNING: 0, SUCCEEDED: 0 });
});

describe("counts - as a look at every row says", () => {
  test("after every way in which an execution ends, comes back or goes", async () => {
    const seat = await seedWorker(store);
    const attempts = await seedRunning(store, seat, 6);
    const [first, second, third, fourth] = attempts;
    if (first === undefined || second === undefined || third === undefined || fourth === undefined) expect.fail();
    await complete(store, seat.holder, [completion(first), completion(second, failed), completion(third)]);
    const [queued = ""] = await seedQueued(store, 1, { queue: "q", task: "a" });
    await cancel(store, queued, null);
    expect(await counted()).toEqual(await looked());
    await retry(store, second.id);
    expect(await stats(store)).toMatchObject({ FAILED: 0, SUCCEEDED: 2, CANCELLED: 1, QUEUED: 1, RUNNING: 3 });
    expect(await counted()).toEqual(await looked());
    await sql`delete from rayferry.ray_task_execution where id = ${first.id}`;
    await sql`update rayferry.ray_task_execution set queue = 'moved' where id = ${third.id}`;
    expect(await counted()).toEqual(await looked());
    await sql`update rayferry.ray_task_execution set tags = '{x}'`;
    expect(await counted()).toEqual(await looked());
    await empty();
    expect(await counted()).toEqual(new Set());
  });

  test("what is rolled back isn't counted", async () => {
    const [id = ""] = await seedQueued(store);
    await sql
      .begin(async (tx) => {
        await tx`update rayferry.ray_task_execution set state = 'CANCELLED', finished_at = now() where id = ${id}`;
        throw new Error("no");
      })
      .catch(() => {});
    expect(await stats(store)).toMatchObject({ QUEUED: 1, CANCELLED: 0 });
  });

  test("several workers that end executions while the counts are folded, again and again", async () => {
    const seats = await Promise.all(Array.from({ length: 4 }, () => seedWorker(store)));
    const attempts = await Promise.all(seats.map((seat, n) => seedRunning(store, seat, 50, { queue: `q${n}` })));
    let isGoing = true;
    const folding = (async () => {
      while (isGoing) await foldCounts(store);
    })();
    await Promise.all(
      seats.map(async (seat, n) => {
        for (const attempt of attempts[n] ?? []) await complete(store, seat.holder, [completion(attempt)]);
      }),
    );
    isGoing = false;
    await folding;
    expect(await stats(store)).toMatchObject({ SUCCEEDED: 200, RUNNING: 0 });
    await foldCounts(store);
    expect(await stats(store)).toMatchObject({ SUCCEEDED: 200, RUNNING: 0 });
    expect(await sql`select from rayferry.task_count`).toHaveLength(4);
  });
});

test("foldCounts - nothing is left of what has gone", async () => {
  const seat = await seedWorker(store);
  const done = await seedOneRunning(store, seat);
  await complete(store, seat.holder, [completion(done)]);
  await sql`delete from rayferry.ray_task_execution`;
  expect(await foldCounts(store)).toEqual({ folded: 2, more: false });
  expect(await foldCounts(store)).toEqual({ folded: 0, more: false });
});

test("foldCounts - what has one row isn't written again", async () => {
  const seat = await seedWorker(store);
  for (const queue of ["a", "b"]) {
    const [one, other] = await seedRunning(store, seat, 2, { queue });
    if (one !== undefined) await complete(store, seat.holder, [completion(one)]);
    if (queue === "b" && other !== undefined) await complete(store, seat.holder, [completion(other)]);
  }
  const rows = async () => await sql`select queue, change::int, xmin::text from rayferry.task_count order by queue`;
  const [first] = await rows();
  expect(await foldCounts(store)).toEqual({ folded: 2, more: false });
  const folded = await rows();
  expect(folded).toMatchObject([first, { queue: "b", change: 2 }]);
  expect(await foldCounts(store)).toEqual({ folded: 0, more: false });
  expect(await rows()).toEqual(folded);
});

test("foldCounts - a whole batch asks for another round, but not where nothing can be added up", async () => {
  const write = (task: string) =>
    sql.unsafe(
      `insert into rayferry.task_count select 'q', ${task}, 'FAILED', 1 from generate_series(1, ${FOLD_BATCH + 5}) n`,
    );
  await sql`truncate rayferry.task_count`;
  await write("'t'");
  expect(await foldCounts(store)).toEqual({ folded: FOLD_BATCH, more: true });
  expect(await foldCounts(store)).toEqual({ folded: 6, more: false });
  expect(await stats(store)).toMatchObject({ FAILED: FOLD_BATCH + 5 });
  await sql`truncate rayferry.task_count`;
  await write("n::text");
  expect(await foldCounts(store)).toEqual({ folded: 0, more: false });
  // Behind more rows by themselves than a batch has.
  await sql`insert into rayferry.task_count values ('q', 'last', 'FAILED', 2), ('q', 'last', 'FAILED', 3)`;
  expect(await foldCounts(store)).toEqual({ folded: 2, more: false });
  expect(await sql`select change::int from rayferry.task_count where task = 'last'`).toEqual([{ change: 5 }]);
  await sql`truncate rayferry.task_count`;
});

test("stats - nothing is counted of what somebody truncates while it is being folded", async () => {
  const seat = await seedWorker(store);
  for (const held of await seedRunning(store, seat, 3)) await complete(store, seat.holder, [completion(held)]);
  const truncating = await sql.begin(async (tx) => {
    expect(await foldCounts(within(store, tx))).toMatchObject({ folded: 3 });
    const rows = sql`truncate rayferry.ray_task_execution cascade`.execute();
    await waitFor("it waits", async () => {
      const [row] = await sql`select count(*)::int as waiting from pg_stat_activity
        where wait_event_type = 'Lock' and datname = current_database()`;
      return row?.["waiting"] > 0;
    });
    return { rows };
  });
  await truncating.rows;
  expect(await counts(store)).toEqual([]);
});
