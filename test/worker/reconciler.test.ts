import { pino } from "pino";
import { afterAll, beforeEach, expect, test } from "vitest";
import type { InventoryEntry, WorkerMessage } from "../../bridge/src/index.ts";
import { HeldAttempts } from "../../src/worker/held.ts";
import { Reconciler } from "../../src/worker/reconciler.ts";
import { openTestStore, readRow, seedOneRunning, seedWorker } from "../support/seed.ts";
import { PLAIN_TERMS } from "../support/terms.ts";

const { store, sql, empty, close } = await openTestStore();
afterAll(close);
beforeEach(empty);

async function reconcile(inventory: () => readonly InventoryEntry[]) {
  const seat = await seedWorker(store);
  const held = new HeldAttempts();
  const [errors, sent]: [unknown[], WorkerMessage[]] = [[], []];
  const reconciler = new Reconciler({
    store,
    holder: seat.holder,
    server: seat.server,
    held,
    inventory: () => Promise.resolve(inventory()),
    send: (message) => sent.push(message),
    logger: pino({ level: "silent" }),
    onError: (error) => errors.push(error),
  });
  return { seat, held, errors, sent, reconciler };
}

test("Reconciler - hands back what names this worker and isn't held, and only when it is so twice running", async () => {
  const { seat, held, errors, reconciler } = await reconcile(() => []);
  const kept = await seedOneRunning(store, seat);
  const forgotten = await seedOneRunning(store, seat);
  const fresh = await seedOneRunning(store, seat);
  await sql`update rayferry.task_worker_lease set started_at = now() - interval '1 minute'`;
  await sql`update rayferry.ray_task_execution set claimed_at = now() - interval '11 seconds' where id <> ${fresh.id}`;
  held.add(kept.id, kept.fence, "t.run", PLAIN_TERMS);

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

test("Reconciler - what the server has runs, and is held again, not handed back to be run beside", async () => {
  const entries: InventoryEntry[] = [];
  const { seat, held, errors, sent, reconciler } = await reconcile(() => entries);
  const [there, gone] = [await seedOneRunning(store, seat), await seedOneRunning(store, seat)];
  await sql`update rayferry.ray_task_execution set claimed_at = now() - interval '11 seconds'`;
  entries.push({ id: there.id, fence: there.fence, holder: "another", phase: "RUNNING" });

  await reconciler.compare(2);
  await reconciler.compare(2);
  expect(await readRow(sql, there.id)).toMatchObject({ state: "RUNNING", holder: seat.holder });
  expect(await readRow(sql, gone.id)).toMatchObject({ state: "QUEUED" });
  expect(held.all()).toMatchObject([{ id: there.id, fence: there.fence, task: "t.run" }]);
  expect(sent).toEqual([{ type: "adopt", attempts: [[there.id, there.fence]] }]);
  expect(errors).toEqual([]);
});

test("Reconciler - what may have begun is requeued as a loss, and a row that can't be written keeps back no other", async () => {
  const { seat, errors, reconciler } = await reconcile(() => []);
  const begun = await seedOneRunning(store, seat);
  const leased = await seedOneRunning(store, seat);
  const adopted = await seedOneRunning(store, seat);
  const poison = await seedOneRunning(store, seat);
  const fresh = await seedOneRunning(store, seat);
  await sql`update rayferry.task_worker_lease set started_at = now() - interval '1 minute'`;
  await sql`update rayferry.ray_task_execution set claimed_at = now() - interval '11 seconds'`;
  await sql`update rayferry.ray_task_execution set claimed_at = now() - interval '2 minutes' where id = ${adopted.id}`;
  await sql`update rayferry.ray_task_execution set started_at = now() where id = ${begun.id}`;
  await sql`insert into rayferry.execution_lease (execution_id, fence, holder, server, phase)
    values (${leased.id}, ${leased.fence}, ${seat.holder}, ${seat.server}, 'PENDING')`;
  await sql.unsafe(
    `alter table rayferry.ray_task_execution add constraint own check (id <> '${poison.id}' or state <> 'QUEUED') not valid`,
  );
  await reconciler.runOnce();
  for (const { id } of [begun, leased, adopted])
    expect(await readRow(sql, id)).toMatchObject({ state: "QUEUED", attempt: 0, infrastructure_losses: 1 });
  expect(await readRow(sql, fresh.id)).toMatchObject({ state: "QUEUED", infrastructure_losses: 0 });
  expect(await readRow(sql, poison.id)).toMatchObject({ state: "RUNNING" });
  expect(errors).toHaveLength(1);
  await sql`alter table rayferry.ray_task_execution drop constraint own`;
});
