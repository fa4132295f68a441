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

function pruner(leads: () => boolean, trouble: string[] = [], on = store): Pruner {
  const logger = pino({ level: "silent" });
  const onError = (error: unknown) => void trouble.push(String(error));
  return new Pruner({
    store: on,
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
  const poison = ids.filter((_, n) => n % 400 === 7);
  await sql`create table invoice (execution uuid references rayferry.ray_task_execution (id))`;
  await sql`create table held (execution uuid)`;
  await sql`insert into held select unnest(${poison}::uuid[])`;
  await sql`create function keep() returns trigger language plpgsql as $$
    begin if exists (select from held where execution = old.id) then raise exception 'kept'; end if; return old; end $$`;
  await sql`create trigger keep before delete on rayferry.ray_task_execution for each row execute function keep()`;
  const trouble: string[] = [];
  const pruning = pruner(() => true, trouble);
  while ((await pruning.runOnce()) !== 10_000);
  expect(await count()).toBe(poison.length);
  // Together for those of a batch, and not again in the next walk.
  const told = trouble.length;
  expect(told).toBeLessThanOrEqual(2);
  while ((await pruning.runOnce()) !== 10_000);
  expect(trouble).toHaveLength(told);
  expect(trouble[0]).toContain("Postgres refuses to remove");
  expect(trouble[0]).toContain("which is tried again each minute");
  await sql`drop trigger keep on rayferry.ray_task_execution`;
  await sql`drop table invoice, held`;
});

test("Pruner - what many rows of a table refer to is left out at the cost of no refusal, and told of once", async () => {
  const ids = await seedEnded(sql, 2_500, { days: 8 });
  await sql`create schema shop`;
  await sql`create table shop."Bill" ("of" uuid references rayferry.ray_task_execution (id) on delete restrict)`;
  await sql`create table gone (execution uuid references rayferry.ray_task_execution (id) on delete cascade)`;
  const referred = ids.slice(0, 1_800);
  await sql`insert into shop."Bill" select unnest(${referred}::uuid[])`;
  await sql`insert into gone select unnest(${ids}::uuid[])`;
  const trouble: string[] = [];
  let statements = 0;
  const query: typeof store.query = (text, parameters) => {
    statements += 1;
    return store.query(text, parameters);
  };
  const pruning = pruner(() => true, trouble, { ...store, query });
  while ((await pruning.runOnce()) !== 10_000);
  expect(await count()).toBe(1_800);
  expect(statements).toBeLessThan(15);
  while ((await pruning.runOnce()) !== 10_000);
  expect(trouble).toEqual([
    expect.stringContaining('1800 executions are kept beyond their time, for rows of shop."Bill"'),
  ]);
  await sql`truncate shop."Bill"`;
  while ((await pruning.runOnce()) !== 10_000);
  expect(await count()).toBe(0);
  await sql`drop table shop."Bill", gone`;
});
