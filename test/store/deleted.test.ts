import { randomUUID } from "node:crypto";
import { afterAll, expect, test } from "vitest";
import { readDeleted } from "../../src/store/deleted.ts";
import { openTestStore, seedQueued } from "../support/seed.ts";

const { store, sql, close } = await openTestStore();
afterAll(close);

test("readDeleted - those that have no row, and no others", async () => {
  const [kept = "", deleted = ""] = await seedQueued(store, 2);
  await sql`delete from rayferry.ray_task_execution where id = ${deleted}`;
  const never = randomUUID();
  expect((await readDeleted(store, [kept, deleted, never])).sort()).toEqual([deleted, never].sort());
  expect(await readDeleted(store, [])).toEqual([]);
});
