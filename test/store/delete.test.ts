import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { cancel } from "../../src/store/cancel.ts";
import { complete } from "../../src/store/complete.ts";
import { deleteExecution } from "../../src/store/delete.ts";
import { requeue } from "../../src/store/requeue.ts";
import { rerun } from "../../src/store/rerun.ts";
import { retry } from "../../src/store/retry.ts";
import { openSeatedStore } from "../support/seated-store.ts";
import { claimAs, completion, seedOneRunning, seedQueued, taskError } from "../support/seed.ts";

const { store, sql, seat } = await openSeatedStore();

const count = async (table: string, column: string, id: string) =>
  (await sql`select from ${sql(`rayferry.${table}`)} where ${sql(column)} = ${id}`).length;

test("delete - one that has ended is gone, with its attempts and whatever lease row was left", async () => {
  const held = await seedOneRunning(store, seat);
  await requeue(store, seat.holder, [{ ...held, error: taskError() }]);
  const [again] = await claimAs(store, seat);
  await complete(store, seat.holder, [completion(again ?? held)]);
  await sql`insert into rayferry.execution_lease (execution_id, fence, holder, server, phase)
    values (${held.id}, ${held.fence}, ${seat.holder}, ${seat.server}, 'RUNNING')`;
  expect(await count("ray_task_attempt_ended", "execution_id", held.id)).toBe(1);
  expect(await deleteExecution(store, held.id)).toEqual({ id: held.id, before: "SUCCEEDED", done: true });
  expect(await count("ray_task_execution", "id", held.id)).toBe(0);
  expect(await count("ray_task_attempt_ended", "execution_id", held.id)).toBe(0);
  expect(await count("execution_lease", "execution_id", held.id)).toBe(0);
  expect(await deleteExecution(store, held.id)).toBeNull();
});

test("delete - a live one stays, with its lease row", async () => {
  const [queued = ""] = await seedQueued(store, 1, { queue: "other" });
  const [running, cancelling] = [await seedOneRunning(store, seat), await seedOneRunning(store, seat)];
  await cancel(store, cancelling.id, null);
  await sql`insert into rayferry.execution_lease (execution_id, fence, holder, server, phase)
    values (${running.id}, ${running.fence}, ${seat.holder}, ${seat.server}, 'RUNNING')`;
  for (const [id, before] of [
    [queued, "QUEUED"],
    [running.id, "RUNNING"],
    [cancelling.id, "CANCELLING"],
  ] as const) {
    expect(await deleteExecution(store, id)).toEqual({ id, before, done: false });
    expect(await count("ray_task_execution", "id", id)).toBe(1);
  }
  expect(await count("execution_lease", "execution_id", running.id)).toBe(1);
  expect(await deleteExecution(store, randomUUID())).toBeNull();
});

test("delete - against its own retry and rerun, fifty times: never an error, never half of it", async () => {
  for (let round = 0; round < 50; round += 1) {
    const [id = ""] = await seedQueued(store, 1, { queue: "other" });
    await cancel(store, id, null);
    const [deleted, retried] = await Promise.all([
      deleteExecution(store, id),
      retry(store, id),
      rerun(store, { id: randomUUID(), of: id, input: null }),
    ]);
    expect([deleted?.done, retried?.done].filter((done) => done === true)).toHaveLength(1);
    expect(await count("ray_task_execution", "id", id)).toBe(deleted?.done === true ? 0 : 1);
  }
});
