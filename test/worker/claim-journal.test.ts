import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { claimInto } from "../../src/worker/claim-journal.ts";
import { openTestStore, readRow, type Seat, seedQueued, seedWorker } from "../support/seed.ts";
import { temporaryFolder } from "../support/sync-worker.ts";

const { store, sql, close } = await openTestStore();
const folder = await temporaryFolder();
let seat: Seat;
beforeAll(async () => {
  seat = await seedWorker(store);
});
afterAll(async () => {
  await close();
  await folder.remove();
});

test("claim journal - a line a claim, also of one that took nothing: rows in claim order, as they are in the table", async () => {
  const [low = ""] = await seedQueued(store, 1);
  const [high = ""] = await seedQueued(store, 1, { priority: 5, queue: "other" });
  const path = join(folder.path, "claims");
  const claim = claimInto(path);
  const request = { ...seat, queues: ["default", "other"], limit: 7 };
  const before = Date.now() * 1_000;
  const claimed = await claim(store, request);
  expect(claimed.map(({ id }) => id)).toEqual([high, low]);
  expect(await claim(store, request)).toEqual([]);
  const lines = (await readFile(path, "utf8")).trimEnd().split("\n");
  const [first, second] = lines.map((line) => JSON.parse(line));
  const { holder, queues, limit } = request;
  const row = await readRow(sql, high);
  expect(first).toMatchObject({ holder, queues, limit });
  expect(first.rows[0]).toEqual({
    id: high,
    fence: claimed[0]?.fence,
    queue: "other",
    priority: 5,
    run_at: expect.any(Number),
    seq: Number(row["seq"]),
  });
  expect(Math.floor(first.rows[0].run_at / 1_000)).toBe(row["run_at"].getTime());
  expect(first.begin).toBeGreaterThan(before - 1_000);
  expect(first.end).toBeGreaterThan(first.begin);
  expect(second.begin).toBeGreaterThan(first.end);
  expect(second).toMatchObject({ holder, rows: [] });
  expect(second.end).toBeGreaterThanOrEqual(second.begin);
});

test("claim journal - none: the claim as it always is", async () => {
  const [id = ""] = await seedQueued(store, 1);
  const rows = await claimInto(null)(store, { ...seat, queues: ["default"], limit: 1 });
  expect(rows).toMatchObject([{ id, task: "t.run", attempt: 1 }]);
});
