import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { cancel } from "../../src/store/cancel.ts";
import { complete } from "../../src/store/complete.ts";
import { within } from "../../src/store/connection.ts";
import { readAttempts } from "../../src/store/read.ts";
import { retry } from "../../src/store/retry.ts";
import type { TaskState } from "../../src/task-state.ts";
import { openSeatedStore } from "../support/seated-store.ts";
import { claimAs, completion, readRow, seedOneRunning, seedQueued, taskError } from "../support/seed.ts";
import { waitFor } from "../support/wait-for.ts";

const { store, sql, seat, woken } = await openSeatedStore({ woken: "enqueuedChannel" });

const FAILED = { state: "FAILED", value: null, contentType: null, error: taskError() } as const;

/** An execution that ended so, as the sweeper and the workers would have left it. */
async function ended(state: TaskState): Promise<string> {
  if (state === "CANCELLED" || state === "EXPIRED") {
    const [id = ""] = await seedQueued(store, 1, { queueTimeoutSeconds: 60, maxAttempts: 3 });
    await sql`update rayferry.ray_task_execution set state = ${state}, finished_at = now(), cancel_requested_at = now(), cancel_reason = 'no' where id = ${id}`;
    return id;
  }
  const held = await seedOneRunning(store, seat, { maxAttempts: 1, queueTimeoutSeconds: 60 });
  await complete(store, seat.holder, [completion(held, FAILED)]);
  if (state === "LOST")
    await sql`update rayferry.ray_task_execution set state = 'LOST', infrastructure_losses = 11 where id = ${held.id}`;
  return held.id;
}

test.each([
  ["FAILED", 2, 2],
  ["LOST", 2, 2],
  ["CANCELLED", 1, 3],
  ["EXPIRED", 1, 3],
] as const)(
  "retry - one that is %s is QUEUED anew: at least one more attempt, no deadline, no losses, nothing of its end",
  async (state, attempt, allowed) => {
    const id = await ended(state);
    expect(await retry(store, id)).toEqual({ id, before: state, done: true });
    expect(await readRow(sql, id)).toMatchObject({
      state: "QUEUED",
      ready: true,
      max_attempts: allowed,
      expires_at: null,
      infrastructure_losses: 0,
      error: null,
      finished_at: null,
      cancel_requested_at: null,
      cancel_reason: null,
      worker: null,
      started_at: null,
    });
    expect(await woken.take()).toEqual(["default"]);
    const [claimed] = await claimAs(store, seat);
    expect(claimed).toMatchObject({ id, attempt, terms: { maxAttempts: allowed } });
  },
);

test("retry - the attempts before it stay on record, each once, whether it is retried once or twice", async () => {
  const held = await seedOneRunning(store, seat, { maxAttempts: 1 });
  const timedOut = { ...FAILED, error: taskError({ code: "Timeout", message: "after 5 s" }) };
  await complete(store, seat.holder, [completion(held, timedOut)]);
  const [first] = await readAttempts(store, held.id);
  expect(first).toMatchObject({ attempt: 1, outcome: "TIMED_OUT", rayTaskId: "r1", pid: 7, worker: seat.worker });
  await retry(store, held.id);
  expect(await readAttempts(store, held.id)).toEqual([first]);
  const [second] = await claimAs(store, seat);
  expect(await readAttempts(store, held.id)).toMatchObject([{ outcome: "TIMED_OUT" }, { outcome: "RUNNING" }]);
  await complete(store, seat.holder, [completion(second ?? held, FAILED)]);
  await retry(store, held.id);
  expect(await readRow(sql, held.id)).toMatchObject({ attempt: 2, max_attempts: 3 });
  expect(await readAttempts(store, held.id)).toMatchObject([
    { attempt: 1, outcome: "TIMED_OUT" },
    { attempt: 2, outcome: "FAILED", fence: second?.fence },
  ]);
});

test("retry - a late result of the attempt before is refused", async () => {
  const held = await seedOneRunning(store, seat, { maxAttempts: 1 });
  await complete(store, seat.holder, [completion(held, FAILED)]);
  await retry(store, held.id);
  expect(await complete(store, seat.holder, [completion(held)])).toEqual(new Set());
  expect(await readRow(sql, held.id)).toMatchObject({ state: "QUEUED" });
});

test("retry - terms that nobody has settled are still the task's to give", async () => {
  const [id = ""] = await seedQueued(store);
  await cancel(store, id, null);
  await retry(store, id);
  expect(await readRow(sql, id)).toMatchObject({ state: "QUEUED", max_attempts: null });
});

test("retry - a success and live ones stay as they are", async () => {
  const [queued = ""] = await seedQueued(store, 1, { queue: "other" });
  const [done, running, cancelling] = [
    await seedOneRunning(store, seat),
    await seedOneRunning(store, seat),
    await seedOneRunning(store, seat),
  ];
  await complete(store, seat.holder, [completion(done)]);
  await cancel(store, cancelling.id, null);
  await woken.take();
  for (const [id, before] of [
    [queued, "QUEUED"],
    [running.id, "RUNNING"],
    [cancelling.id, "CANCELLING"],
    [done.id, "SUCCEEDED"],
  ] as const) {
    const row = await readRow(sql, id);
    expect(await retry(store, id)).toEqual({ id, before, done: false });
    expect(await readRow(sql, id)).toEqual(row);
  }
  expect(await woken.take()).toEqual([]);
  expect(await retry(store, randomUUID())).toBeNull();
});

test("retry - ten at once do it once", async () => {
  const id = await ended("FAILED");
  const answers = await Promise.all(Array.from({ length: 10 }, () => retry(store, id)));
  expect(answers.filter((each) => each?.done)).toHaveLength(1);
  expect(await readRow(sql, id)).toMatchObject({ state: "QUEUED", max_attempts: 2 });
  expect(await readAttempts(store, id)).toHaveLength(1);
});

test("retry - one that waits for the row while its attempt ends puts that end on record", async () => {
  const held = await seedOneRunning(store, seat, { maxAttempts: 1 });
  const error = taskError({ code: "Timeout", message: "after 5 s" });
  let retrying: Promise<unknown> | undefined;
  await sql.begin(async (tx) => {
    await complete(within(store, tx), seat.holder, [completion(held, { ...FAILED, error })]);
    retrying = retry(store, held.id);
    const blocked = () => sql`select from pg_stat_activity
      where datname = current_database() and wait_event_type = 'Lock' and query like '%with target as%'`;
    await waitFor("retry to wait for the row", async () => (await blocked()).length === 1);
  });
  expect(await retrying).toEqual({ id: held.id, before: "FAILED", done: true });
  expect(await readRow(sql, held.id)).toMatchObject({ state: "QUEUED", attempt: 1, max_attempts: 2, error: null });
  const end = { attempt: 1, fence: held.fence, outcome: "TIMED_OUT", error, rayTaskId: "r1", worker: seat.worker };
  expect(await readAttempts(store, held.id)).toEqual([
    expect.objectContaining({ ...end, finishedAt: expect.any(Date) }),
  ]);
});

test("retry - a row of somebody's that is about to name it doesn't hold it up", async () => {
  const id = await ended("FAILED");
  await sql.begin(async (tx) => {
    await tx`select from rayferry.ray_task_execution where id = ${id} for key share`;
    expect(await retry(store, id)).toMatchObject({ done: true });
  });
});
