import { afterAll, beforeEach, expect, test } from "vitest";
import { promote } from "../../src/store/promote.ts";
import { collectNotifications } from "../support/notifications.ts";
import { openTestStore, readRow, seedQueued } from "../support/seed.ts";

const { store, sql, empty, close } = await openTestStore();
const woken = await collectNotifications(store, store.names.enqueuedChannel);
afterAll(close);
beforeEach(async () => {
  await empty();
  await woken.take();
});

/** `count` rows that were scheduled, and have been due for so long. */
async function seedDue(count: number, queue = "default"): Promise<string[]> {
  const ids = await seedQueued(store, count, { queue, delaySeconds: 60 });
  await sql`update rayferry.ray_task_execution set run_at = now() - interval '1 second' where id = any(${ids})`;
  return ids;
}

test("promote - what is due becomes ready, its queues are woken once each; the rest stays", async () => {
  const due = [...(await seedDue(2, "a")), ...(await seedDue(1, "b"))];
  const [later = ""] = await seedQueued(store, 1, { delaySeconds: 120 });
  await seedQueued(store, 1, { delaySeconds: 300 });
  expect(await promote(store)).toEqual({ promoted: 3, nextInSeconds: expect.closeTo(120, 0) });
  for (const id of due) expect(await readRow(sql, id)).toMatchObject({ state: "QUEUED", ready: true });
  expect(await readRow(sql, later)).toMatchObject({ ready: false });
  expect((await woken.take()).sort()).toEqual(["a", "b"]);
});

test("promote - nothing scheduled, nothing to wait for", async () => {
  await seedQueued(store);
  expect(await promote(store)).toEqual({ promoted: 0, nextInSeconds: null });
  expect(await woken.take()).toEqual([]);
});

test("promote - 1,500 due at once: the second round is due at once", async () => {
  await seedDue(1_500);
  expect(await promote(store)).toEqual({ promoted: 1_000, nextInSeconds: 0 });
  expect(await promote(store)).toEqual({ promoted: 500, nextInSeconds: null });
});

test("promote - several at once share the rows", async () => {
  await seedDue(200);
  const reports = await Promise.all([promote(store), promote(store), promote(store)]);
  expect(reports.map((each) => each.promoted).reduce((sum, each) => sum + each)).toBe(200);
});
