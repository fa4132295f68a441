import { pino } from "pino";
import { afterAll, beforeEach, expect, test } from "vitest";
import { Pruner } from "../../src/worker/pruner.ts";
import { seedEnded } from "../support/ended.ts";
import { openTestStore } from "../support/seed.ts";
import { waitFor } from "../support/wait-for.ts";

const { store, sql, empty, close } = await openTestStore();
afterAll(close);
beforeEach(empty);

const DAY = 86_400;
const KEEP = { SUCCEEDED: 7 * DAY, FAILED: 30 * DAY, CANCELLED: 7 * DAY, EXPIRED: 7 * DAY, LOST: 30 * DAY };
const count = async () => Number((await sql`select count(*)::int as n from rayferry.ray_task_execution`)[0]?.["n"]);

function pruner(leads: () => boolean, trouble: string[] = []): Pruner {
  const logger = pino({ level: "silent" });
  const onError = (error: unknown) => void trouble.push(String(error));
  return new Pruner({
    store,
    keep: KEEP,
    leads,
    logger,
    onTrouble: (sentence) => void trouble.push(sentence),
    onError,
  });
}

test("Pruner - batch after batch until nothing is left, then not before long", async () => {
  await seedEnded(sql, 2_500, { days: 8 });
  const pruning = pruner(() => true);
  const rests = [await pruning.runOnce(), await pruning.runOnce()];
  expect(Math.max(...rests)).toBeLessThanOrEqual(1_000);
  // Until the counts are folded again: that is sooner than the next walk.
  expect(await pruning.runOnce()).toBe(10_000);
  expect(await count()).toBe(0);
  expect(await sql`select from rayferry.task_count`).toHaveLength(0);
});

test("Pruner - folds the counts again at once after a whole batch", async () => {
  await sql`insert into rayferry.task_count select 'q', 't', 'FAILED', 1 from generate_series(1, 50001)`;
  const pruning = pruner(() => true);
  expect([await pruning.runOnce(), await pruning.runOnce()]).toEqual([0, 10_000]);
  expect(await sql`select change::int from rayferry.task_count`).toEqual([{ change: 50_001 }]);
  await sql`truncate rayferry.task_count`;
});

test("Pruner - only while it leads, and at once when it begins to", async () => {
  await seedEnded(sql, 3, { days: 8 });
  let leads = false;
  const pruning = pruner(() => leads);
  pruning.start();
  await pruning.stop();
  expect(await count()).toBe(3);
  pruning.start();
  leads = true;
  pruning.takeOver();
  await waitFor("they are removed", async () => (await count()) === 0);
  await pruning.stop();
});

test("Pruner - a row that can't be removed stops no other, and is told of", async () => {
  const ids = await seedEnded(sql, 1_300, { days: 8 });
  await sql`create table invoice (execution uuid references rayferry.ray_task_execution (id))`;
  const poison = ids.filter((_, n) => n % 400 === 7);
  await sql`insert into invoice select unnest(${poison}::uuid[])`;
  const trouble: string[] = [];
  const pruning = pruner(() => true, trouble);
  while ((await pruning.runOnce()) <= 1_000);
  expect(await count()).toBe(poison.length);
  // Together for those of a batch, and not again in the next walk.
  const told = trouble.length;
  expect(told).toBeLessThanOrEqual(2);
  while ((await pruning.runOnce()) <= 1_000);
  expect(trouble).toHaveLength(told);
  expect(trouble[0]).toContain("Postgres refuses to remove");
  expect(trouble[0]).toContain("which is tried again each minute");
  await sql`drop table invoice`;
});
