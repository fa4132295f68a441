import { pino } from "pino";
import { afterAll, beforeEach, expect, test } from "vitest";
import { HeldAttempts } from "../../src/worker/held.ts";
import { Reconciler } from "../../src/worker/reconciler.ts";
import { openTestStore, readRow, seedOneRunning, seedWorker } from "../support/seed.ts";

const { store, sql, empty, close } = await openTestStore();
afterAll(close);
beforeEach(empty);

test("Reconciler - hands back what names this worker and isn't held, and only when it is so twice running", async () => {
  const seat = await seedWorker(store);
  const kept = await seedOneRunning(store, seat);
  const forgotten = await seedOneRunning(store, seat);
  const fresh = await seedOneRunning(store, seat);
  await sql`update rayferry.ray_task_execution set claimed_at = now() - interval '11 seconds' where id <> ${fresh.id}`;
  const held = new HeldAttempts();
  held.add(kept.id, kept.fence, "t.run");
  const errors: unknown[] = [];
  const onError = (error: unknown) => errors.push(error);
  const reconciler = new Reconciler({
    store,
    holder: seat.holder,
    server: seat.server,
    held,
    logger: pino({ level: "silent" }),
    onError,
  });

  await reconciler.compare(3);
  expect(await readRow(sql, forgotten.id)).toMatchObject({ state: "RUNNING" });
  await reconciler.compare(1);
  await reconciler.compare(3);
  expect(await readRow(sql, forgotten.id)).toMatchObject({ state: "RUNNING" });
  await reconciler.compare(3);
  expect(await readRow(sql, forgotten.id)).toMatchObject({ state: "QUEUED", attempt: 0, infrastructure_losses: 0 });
  for (const each of [kept, fresh]) expect(await readRow(sql, each.id)).toMatchObject({ state: "RUNNING" });
  expect(errors).toEqual([]);
});
