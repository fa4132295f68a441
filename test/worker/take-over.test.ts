import { afterAll, beforeEach, expect, test } from "vitest";
import { WorkerNameTakenError } from "../../src/errors.ts";
import { beat } from "../../src/store/beat.ts";
import { closeLease } from "../../src/store/lease.ts";
import { takeOverName } from "../../src/worker/take-over.ts";
import { leaseFacts } from "../support/lease-facts.ts";
import { openTestStore, seedWorker } from "../support/seed.ts";

const { store, sql, empty, close } = await openTestStore();
afterAll(close);
beforeEach(empty);

/** A store that runs `before` ahead of each of its own statements. */
function watched(before: (text: string) => Promise<void>) {
  return {
    ...store,
    query: async (text: string, params: readonly (string | null)[]) => {
      await before(text);
      return await store.query(text, params);
    },
  };
}

const stateOf = async (holder: string) =>
  (await sql`select state, last_error from rayferry.task_worker_lease where id = ${holder}`)[0];

test("takeOverName - nobody has it, or only others have others", async () => {
  await seedWorker(store, { name: "other", host: "elsewhere" });
  await expect(takeOverName(store, "w", "here")).resolves.toBeUndefined();
});

test("takeOverName - the one of this host is dead: closed at once, its server has ended", async () => {
  const dead = await seedWorker(store, { name: "w", host: "here" });
  const namesake = await seedWorker(store, { name: "v", host: "here" });
  await takeOverName(store, "w", "here");
  expect(await stateOf(dead.holder)).toEqual({ state: "STOPPED", last_error: "its process is gone" });
  expect(await sql`select from rayferry.task_sidecar where id = ${dead.server} and ended_at is not null`).toHaveLength(
    1,
  );
  expect(await stateOf(namesake.holder)).toMatchObject({ state: "READY" });
});

test("takeOverName - one of a host of the same name whose lock this isn't: waited for like any other", async () => {
  const alive = await seedWorker(store, { name: "w", host: "here" });
  let looks = 0;
  const renewing = watched(async () => {
    looks += 1;
    if (looks === 2) await beat(store, alive.holder, leaseFacts(), [], []);
  });
  await expect(takeOverName(renewing, "w", null)).rejects.toThrow(WorkerNameTakenError);
  expect(await stateOf(alive.holder)).toMatchObject({ state: "READY" });
});

test("takeOverName - one of another host that has stopped is no hindrance", async () => {
  const other = await seedWorker(store, { name: "w", host: "elsewhere" });
  await closeLease(store, other.holder, null);
  await expect(takeOverName(store, "w", "here")).resolves.toBeUndefined();
});

test("takeOverName - one of another host that renews meanwhile: refused, naming host and pid", async () => {
  const alive = await seedWorker(store, { name: "w", host: "elsewhere" });
  let looks = 0;
  const renewing = watched(async () => {
    looks += 1;
    if (looks === 2) await beat(store, alive.holder, leaseFacts(), [], []);
  });
  const refused = takeOverName(renewing, "w", "here");
  await expect(refused).rejects.toThrow(WorkerNameTakenError);
  await expect(refused).rejects.toThrow('A worker named "w" is alive on host elsewhere (pid 4242).');
  expect(await stateOf(alive.holder)).toMatchObject({ state: "READY" });
});

test("takeOverName - one of another host that doesn't: waits until its lease has run out, and not longer", async () => {
  const silent = await seedWorker(store, { name: "w", host: "elsewhere" });
  let looks = 0;
  const expiring = watched(async () => {
    looks += 1;
    if (looks < 3) return;
    await sql`update rayferry.task_worker_lease set expires_at = now() where id = ${silent.holder}`;
  });
  await takeOverName(expiring, "w", "here");
  expect(looks).toBe(3);
});
