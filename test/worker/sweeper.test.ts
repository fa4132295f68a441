import { pino } from "pino";
import { afterAll, beforeEach, expect, test } from "vitest";
import { Sweeper } from "../../src/worker/sweeper.ts";
import { openTestStore, seedRunning, seedWorker } from "../support/seed.ts";

const { store, sql, empty, close } = await openTestStore();
afterAll(close);
beforeEach(empty);

test("Sweeper - goes on at once while there may be more of a dead server to requeue", async () => {
  const seat = await seedWorker(store);
  await seedRunning(store, seat, 501);
  await sql`update rayferry.task_sidecar set ended_at = now() - interval '6 seconds'`;
  const sweeper = new Sweeper({
    store,
    leads: () => true,
    logger: pino({ level: "silent" }),
    onTrouble: () => {},
    onError: () => {},
  });
  expect(await sweeper.runOnce()).toBe(0);
  expect(await sweeper.runOnce()).toBeGreaterThan(100);
  const [left] = await sql`select count(*)::int as n from rayferry.ray_task_execution where state = 'RUNNING'`;
  expect(left).toEqual({ n: 0 });
});
