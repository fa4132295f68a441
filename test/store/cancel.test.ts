import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { cancel } from "../../src/store/cancel.ts";
import { complete } from "../../src/store/complete.ts";
import { readStillOwn } from "../../src/store/lease.ts";
import { openSeatedStore } from "../support/seated-store.ts";
import { claimAs, completion, readRow, seedOneRunning, seedQueued } from "../support/seed.ts";

const { store, sql, seat, asked, finished } = await openSeatedStore({
  asked: "cancelChannel",
  finished: "finishedChannel",
});

test("cancel - a queued one is CANCELLED at once, and who waits is told", async () => {
  const [id = ""] = await seedQueued(store);
  expect(await cancel(store, id, "no use")).toEqual({ id, before: "QUEUED", after: "CANCELLED" });
  const times = { finished_at: expect.any(Date), cancel_requested_at: expect.any(Date) };
  expect(await readRow(sql, id)).toMatchObject({ state: "CANCELLED", cancel_reason: "no use", ...times });
  expect(await finished.take()).toEqual([id]);
  expect(await asked.take()).toEqual([]);
  expect(await claimAs(store, seat)).toEqual([]);
});

test("cancel - so is a scheduled one", async () => {
  const [id = ""] = await seedQueued(store, 1, { delaySeconds: 60 });
  expect(await cancel(store, id, null)).toMatchObject({ after: "CANCELLED" });
});

test("cancel - a running one becomes CANCELLING and stays held; its holder is told", async () => {
  const held = await seedOneRunning(store, seat);
  expect(await cancel(store, held.id, null)).toEqual({ id: held.id, before: "RUNNING", after: "CANCELLING" });
  const kept = { fence: String(held.fence), holder: seat.holder, finished_at: null };
  expect(await readRow(sql, held.id)).toMatchObject({ state: "CANCELLING", cancel_reason: null, ...kept });
  expect(await asked.take()).toEqual([seat.holder]);
  expect(await finished.take()).toEqual([]);
});

test("cancel - again changes nothing: the first reason and time stand", async () => {
  const held = await seedOneRunning(store, seat);
  await cancel(store, held.id, "first");
  const before = await readRow(sql, held.id);
  expect(await cancel(store, held.id, "second")).toMatchObject({ before: "CANCELLING", after: "CANCELLING" });
  expect(await readRow(sql, held.id)).toEqual(before);
});

test("cancel - one that has ended stays what it is", async () => {
  const held = await seedOneRunning(store, seat);
  await complete(store, seat.holder, [completion(held)]);
  await finished.take();
  expect(await cancel(store, held.id, "late")).toEqual({ id: held.id, before: "SUCCEEDED", after: "SUCCEEDED" });
  expect(await readRow(sql, held.id)).toMatchObject({ state: "SUCCEEDED", result: 1, cancel_requested_at: null });
  expect(await finished.take()).toEqual([]);
});

test("cancel - one that isn't there", async () => {
  expect(await cancel(store, randomUUID(), null)).toBeNull();
});

test("cancel - against its completion, a hundred times: one of the two wins, never both", async () => {
  const outcomes = new Set<string>();
  for (let round = 0; round < 100; round += 1) {
    const held = await seedOneRunning(store, seat);
    const [answer, accepted] = await Promise.all([
      cancel(store, held.id, null),
      complete(store, seat.holder, [completion(held)]),
    ]);
    // The completion always ends it: a cancel that came first only made it CANCELLING, one that had the row locked only made it wait.
    if (accepted.size === 0) {
      expect((await readStillOwn(store, seat.holder, [held])).size).toBe(1);
      expect((await complete(store, seat.holder, [completion(held)])).size).toBe(1);
    }
    expect(await readRow(sql, held.id)).toMatchObject({ state: "SUCCEEDED", holder: null });
    outcomes.add(answer?.after ?? "missing");
  }
  for (const each of outcomes) expect(["CANCELLING", "SUCCEEDED"]).toContain(each);
});
