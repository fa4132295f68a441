import { afterAll, beforeEach, expect, test } from "vitest";
import { drainByName } from "../src/draining.ts";
import { WorkerNotFoundError } from "../src/index.ts";
import { complete } from "../src/store/complete.ts";
import { closeLease, drainLease } from "../src/store/lease.ts";
import { completion, openTestStore, type Seat, seedOneRunning, seedWorker } from "./support/seed.ts";
import { waitFor } from "./support/wait-for.ts";

const { store, sql, empty, close } = await openTestStore();
let seat: Seat;
afterAll(close);
beforeEach(async () => {
  await empty();
  seat = await seedWorker(store, { name: "mill" });
});

const requested = async (holder: string) => {
  const [row] = await sql`select drain_requested_at from rayferry.task_worker_lease where id = ${holder}`;
  return row?.["drain_requested_at"] as Date | null;
};

test("drain - asks the live incarnations of the name, and waits until they claim no more and hold nothing", async () => {
  const held = await seedOneRunning(store, seat);
  const other = await seedWorker(store, { name: "other" });
  const draining = drainByName(store, "mill", {});
  let isOver = false;
  void draining.then(() => {
    isOver = true;
  });
  await waitFor("it is asked", async () => (await requested(seat.holder)) !== null);
  expect(await requested(other.holder)).toBeNull();
  await complete(store, seat.holder, [completion(held)]);
  // Nothing is held, but a worker that is READY may still claim.
  expect(await drainByName(store, "mill", { timeout: 0.6 })).toMatchObject({ left: 0, drained: false });
  expect(isOver).toBe(false);
  await drainLease(store, seat.holder);
  const worker = { id: seat.holder, host: "here", pid: 4242, state: "DRAINING", held: 0 };
  expect(await draining).toEqual({ incarnations: [worker], left: 0, executions: [], drained: true });
});

test("drain - what is left when the time ran out", async () => {
  const held = await seedOneRunning(store, seat);
  await drainLease(store, seat.holder);
  const report = await drainByName(store, "mill", { timeout: 0.1 });
  expect(report).toMatchObject({ left: 1, drained: false, incarnations: [{ state: "DRAINING", held: 1 }] });
  expect(report.executions).toEqual([{ id: held.id, task: "t.run", state: "RUNNING", claimedAt: expect.any(Date) }]);
  const asked = await requested(seat.holder);
  expect(await drainByName(store, "mill", { timeout: 0 })).toMatchObject({ left: 1 });
  expect(await requested(seat.holder)).toEqual(asked);
});

test("drain - of one that ends meanwhile is over", async () => {
  const draining = drainByName(store, "mill", {});
  await waitFor("it is asked", async () => (await requested(seat.holder)) !== null);
  await closeLease(store, seat.holder, null);
  expect(await draining).toMatchObject({ drained: true, incarnations: [{ state: "STOPPED" }] });
});

test("drain - of a worker that begins anew meanwhile goes on with its next incarnation", async () => {
  const draining = drainByName(store, "mill", {});
  await waitFor("it is asked", async () => (await requested(seat.holder)) !== null);
  const next = await seedWorker(store, { name: "mill" });
  const held = await seedOneRunning(store, next);
  await sql`update rayferry.task_worker_lease set drain_requested_at = now(), state = 'DRAINING' where id = ${next.holder}`;
  await closeLease(store, seat.holder, null);
  expect(await drainByName(store, "mill", { timeout: 0.3 })).toMatchObject({ left: 1, executions: [{ id: held.id }] });
  await complete(store, next.holder, [completion(held)]);
  expect(await draining).toMatchObject({ drained: true, incarnations: [{ state: "STOPPED" }, { state: "DRAINING" }] });
});

test("drain - a signal ends the waiting, not the drain", async () => {
  const controller = new AbortController();
  const draining = drainByName(store, "mill", { signal: controller.signal });
  await waitFor("it is asked", async () => (await requested(seat.holder)) !== null);
  controller.abort();
  await expect(draining).rejects.toThrow("abort");
  expect(await requested(seat.holder)).not.toBeNull();
});

test("drain - of a name that nobody alive has is refused, with the names there are", async () => {
  await seedWorker(store, { name: "baker" });
  const refused = drainByName(store, "mil", {});
  await expect(refused).rejects.toThrow(WorkerNotFoundError);
  await expect(refused).rejects.toThrow(
    'There is no live worker named "mil". Did you mean "mill"? Live workers: baker, mill.',
  );
  await closeLease(store, seat.holder, null);
  await expect(drainByName(store, "mill", {})).rejects.toThrow("Live workers: baker.");
  await empty();
  await expect(drainByName(store, "mill", {})).rejects.toThrow("No worker is alive.");
});
