import { expect, test } from "vitest";
import { cancel } from "../../src/store/cancel.ts";
import { complete } from "../../src/store/complete.ts";
import { list } from "../../src/store/list.ts";
import { pause } from "../../src/store/pause.ts";
import { readQueues } from "../../src/store/queues.ts";
import { readExecutions } from "../../src/store/read.ts";
import { resume } from "../../src/store/resume.ts";
import { openSeatedStore } from "../support/seated-store.ts";
import { claimAs, completion, seedOneRunning, seedQueued } from "../support/seed.ts";

const { store, sql, seat, woken } = await openSeatedStore({ woken: "enqueuedChannel" });

test("pause - nothing is claimed from that queue, and from others it is; resume lets it go on and wakes its workers", async () => {
  await seedQueued(store, 2, { queue: "a" });
  await seedQueued(store, 1, { queue: "b" });
  expect(await pause(store, "a", "broken")).toMatchObject({ name: "a", pause_reason: "broken" });
  expect((await claimAs(store, seat, 10, ["a", "b"])).map(({ queue }) => queue)).toEqual(["b"]);
  expect(await woken.take()).toEqual([]);
  expect(await resume(store, "a")).toBe(true);
  expect(await woken.take()).toEqual(["a"]);
  expect(await claimAs(store, seat, 10, ["a", "b"])).toHaveLength(2);
});

test("pause - again keeps since when, and takes a new reason; resumed and paused anew it begins anew", async () => {
  const first = await pause(store, "a", "one");
  expect(await pause(store, "a", null)).toEqual(first);
  expect(await pause(store, "a", "two")).toEqual({ ...first, pause_reason: "two" });
  await resume(store, "a");
  const second = await pause(store, "a", null);
  expect(second.pause_reason).toBeNull();
  expect(Date.parse(second.paused_at ?? "")).toBeGreaterThan(Date.parse(first.paused_at ?? ""));
});

test("resume - of one that isn't paused does nothing", async () => {
  expect(await resume(store, "a")).toBe(false);
  await pause(store, "a", null);
  expect(await Promise.all([resume(store, "a"), resume(store, "a")])).toEqual(expect.arrayContaining([true, false]));
  expect(await woken.take()).toEqual(["a"]);
});

test("pause - what waits there says why, and only that", async () => {
  const [there = ""] = await seedQueued(store, 1, { queue: "a" });
  const [ended = ""] = await seedQueued(store, 1, { queue: "a" });
  const [elsewhere = ""] = await seedQueued(store, 1, { queue: "b" });
  await cancel(store, ended, null);
  await sql`update rayferry.ray_task_execution set wait_reason = 'its own' where id = ${there}`;
  const reasonOf = async (id: string) => (await readExecutions(store, [id]))[0]?.wait_reason;
  await pause(store, "a", "a database moves");
  expect(await reasonOf(there)).toMatch(
    /^The queue "a" is paused: a database moves \(since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC\)$/,
  );
  expect([await reasonOf(ended), await reasonOf(elsewhere)]).toEqual([null, null]);
  expect((await list(store, { queue: "a", state: "QUEUED" })).map((row) => row.wait_reason)).toEqual([
    await reasonOf(there),
  ]);
  await resume(store, "a");
  expect(await reasonOf(there)).toBe("its own");
  await pause(store, "a", null);
  expect(await reasonOf(there)).toMatch(/^The queue "a" is paused \(since .* UTC\)$/);
});

test("readQueues - what is paused, has live executions or a live worker, by name; what has ended doesn't count", async () => {
  const nothing = { ready: 0, scheduled: 0, held: 0, workers: 0, paused_at: null, pause_reason: null };
  expect(await readQueues(store)).toEqual([{ ...nothing, name: "default", workers: 1 }]);
  await seedQueued(store, 2, { queue: "b" });
  await seedQueued(store, 3, { queue: "b", delaySeconds: 60 });
  await seedOneRunning(store, seat, { queue: "c" });
  const done = await seedOneRunning(store, seat, { queue: "d" });
  await complete(store, seat.holder, [completion(done)]);
  await pause(store, "a", "why");
  await pause(store, "e", null);
  await resume(store, "e");
  expect(await readQueues(store)).toEqual([
    { ...nothing, name: "a", paused_at: expect.any(String), pause_reason: "why" },
    { ...nothing, name: "b", ready: 2, scheduled: 3 },
    { ...nothing, name: "c", held: 1 },
    { ...nothing, name: "default", workers: 1 },
  ]);
});
