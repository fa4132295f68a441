import { randomUUID } from "node:crypto";
import { afterAll, beforeEach, describe, expect, test } from "vitest";
import { cancel } from "../../src/store/cancel.ts";
import {
  beat,
  closeLease,
  drainLease,
  openLease,
  readCancels,
  readDeadIncarnations,
  readNameHolders,
} from "../../src/store/lease.ts";
import { readWorkers } from "../../src/store/read.ts";
import { openServer } from "../../src/store/server.ts";
import { openTestStore, type Seat, seedRunning, seedWorker } from "../support/seed.ts";

const { store, sql, empty, close } = await openTestStore();
let seat: Seat;
afterAll(close);
beforeEach(async () => {
  await empty();
  seat = await seedWorker(store, { name: "w", tasks: ["a", "b"] });
});

const lease = (changes: string) =>
  sql.unsafe(`update rayferry.task_worker_lease set ${changes} where id = '${seat.holder}'`);

/** What is left of lease and authority, in seconds. */
async function left(): Promise<{ lease: number; authority: number }> {
  const [row] = await sql`select extract(epoch from l.expires_at - now())::float8 as lease,
    extract(epoch from s.authority_until - now())::float8 as authority
    from rayferry.task_worker_lease l join rayferry.task_sidecar s on s.holder = l.id where l.id = ${seat.holder}`;
  return row as { lease: number; authority: number };
}

test("openLease, openServer - STARTING, then READY with slots and tasks", async () => {
  const id = randomUUID();
  await openLease(store, { id, name: "new", host: "h", pid: 1, version: "1.2.3", queues: ["a", "b"] });
  const [starting] = await sql`select * from rayferry.task_worker_lease where id = ${id}`;
  expect(starting).toMatchObject({ state: "STARTING", slots: null, tasks: [], queues: ["a", "b"], version: "1.2.3" });
  const [ready] = await sql`select * from rayferry.task_worker_lease where id = ${seat.holder}`;
  expect(ready).toMatchObject({ state: "READY", slots: 4, tasks: ["a", "b"], stopped_at: null });
  expect(await left()).toEqual({ lease: expect.closeTo(6, 0), authority: expect.closeTo(8, 0) });
});

test("openServer - not for a lease that ran out while it started: somebody else may have taken over", async () => {
  const id = randomUUID();
  await openLease(store, { id, name: "w", host: "h", pid: 1, version: "1.2.3", queues: ["a"] });
  await sql`update rayferry.task_worker_lease set expires_at = now() - interval '1 millisecond' where id = ${id}`;
  const [before] = await sql`select * from rayferry.task_sidecar`;
  const server = { id: randomUUID(), holder: id, worker: "w", epoch: String(before?.["epoch"]), outlives: true };
  const where = { endpoint: "ipc:///tmp/s", build: "0", pid: 1, actorName: null, namespace: null, generation: null };
  const ray = { rayAddress: null, rayVersion: null, nodes: null, cpus: null, gpus: null };
  await expect(openServer(store, { ...server, ...where, ...ray, authoritySeconds: 600 }, 1, [])).rejects.toThrow(
    "its lease ran out",
  );
  expect(await sql`select * from rayferry.task_sidecar`).toEqual([before]);
  const [lease] = await sql`select state from rayferry.task_worker_lease where id = ${id}`;
  expect(lease).toEqual({ state: "STARTING" });
});

const TICKED = () => [{ server: seat.server, seconds: 8 }];

describe("beat", () => {
  beforeEach(async () => {
    await lease("expires_at = now() + interval '1 second'");
    await sql`update rayferry.task_sidecar set authority_until = now() + interval '1 second'`;
  });

  test("renews the lease for 6 s; the authority only with a new tick", async () => {
    expect(await beat(store, seat.holder, 3, [seat.server], [])).toMatchObject({ renewed: true, cancels: [] });
    expect(await left()).toEqual({ lease: expect.closeTo(6, 0), authority: expect.closeTo(1, 0) });
    const [row] = await sql`select running from rayferry.task_worker_lease where id = ${seat.holder}`;
    expect(row).toEqual({ running: 3 });
    await beat(store, seat.holder, 0, [seat.server], TICKED());
    expect(await left()).toEqual({ lease: expect.closeTo(6, 0), authority: expect.closeTo(8, 0) });
  });

  test.each([
    ["has run out", "expires_at = now() - interval '1 millisecond'"],
    ["is STOPPED", "state = 'STOPPED'"],
    ["is LOST", "state = 'LOST'"],
  ])("doesn't revive a lease that %s, nor its server's authority", async (_what, changes) => {
    await lease(changes);
    const before = await sql`select * from rayferry.task_worker_lease`;
    expect(await beat(store, seat.holder, 0, [seat.server], TICKED())).toMatchObject({ renewed: false });
    expect(await sql`select * from rayferry.task_worker_lease`).toEqual(before);
    expect((await left()).authority).toBeLessThanOrEqual(1);
  });

  test("gives no authority to a server that has ended", async () => {
    await sql`update rayferry.task_sidecar set ended_at = now()`;
    expect(await beat(store, seat.holder, 0, [seat.server], TICKED())).toMatchObject({ renewed: true });
    expect((await left()).authority).toBeLessThanOrEqual(1);
  });

  test("says whether there may be something to adopt: another's server that lives on, or another's rows at ours", async () => {
    const hasOthers = async () => (await beat(store, seat.holder, 0, [seat.server], [])).hasOtherServers;
    await seedRunning(store, seat, 2);
    await seedWorker(store, { name: "in its own process" });
    expect(await hasOthers()).toBe(false);
    const other = await seedWorker(store, { name: "other", outlives: true });
    expect(await hasOthers()).toBe(true);
    await sql`update rayferry.task_sidecar set ended_at = now() where id = ${other.server}`;
    expect(await hasOthers()).toBe(false);
    await sql`update rayferry.ray_task_execution set holder = ${other.holder} where id = (select min(id::text)::uuid from rayferry.ray_task_execution)`;
    expect(await hasOthers()).toBe(true);
  });

  test("an unknown lease isn't renewed", async () => {
    expect(await beat(store, randomUUID(), 0, [], [])).toMatchObject({ renewed: false, cancels: [] });
  });

  test("goes on while DRAINING", async () => {
    await drainLease(store, seat.holder);
    expect(await beat(store, seat.holder, 0, [seat.server], [])).toMatchObject({ renewed: true });
    expect((await readWorkers(store))[0]).toMatchObject({ state: "DRAINING" });
  });

  test("brings the cancels of this holder and of nobody else", async () => {
    const other = await seedWorker(store);
    const [mine, running] = await seedRunning(store, seat, 2);
    const [theirs] = await seedRunning(store, other, 1);
    for (const each of [mine, theirs]) await cancel(store, each?.id ?? "", null);
    const expected = [{ id: mine?.id, fence: mine?.fence }];
    expect((await beat(store, seat.holder, 2, [seat.server], [])).cancels).toEqual(expected);
    expect(await readCancels(store, seat.holder, [seat.server])).toEqual(expected);
    expect(running).toBeDefined();
  });
});

describe("closeLease", () => {
  test("STOPPED with the reason; its server has ended, and when isn't moved by a second call", async () => {
    await closeLease(store, seat.holder, "it crashed");
    const [row] = await sql`select * from rayferry.task_worker_lease where id = ${seat.holder}`;
    expect(row).toMatchObject({ state: "STOPPED", last_error: "it crashed", running: 0, stopped_at: expect.any(Date) });
    const ended = await sql`select ended_at from rayferry.task_sidecar`;
    expect(ended).toEqual([{ ended_at: expect.any(Date) }]);
    await closeLease(store, seat.holder, null);
    expect(await sql`select ended_at from rayferry.task_sidecar`).toEqual(ended);
  });

  test("LOST stays LOST", async () => {
    await lease("state = 'LOST'");
    await closeLease(store, seat.holder, null);
    expect((await readWorkers(store))[0]).toMatchObject({ state: "LOST" });
  });
});

describe("readNameHolders", () => {
  test("who has the name now: neither stopped nor run out", async () => {
    expect(await readNameHolders(store, "w")).toMatchObject([{ id: seat.holder, host: "here", pid: 4242 }]);
    expect(await readNameHolders(store, "W")).toEqual([]);
    await lease("expires_at = now() - interval '1 millisecond'");
    expect(await readNameHolders(store, "w")).toEqual([]);
    await lease("expires_at = now() + interval '1 minute', state = 'STOPPED'");
    expect(await readNameHolders(store, "w")).toEqual([]);
  });
});

test("readWorkers - newest first; one whose lease ran out shows as LOST; an hour after its end it is gone", async () => {
  const younger = await seedWorker(store, { name: "younger" });
  expect((await readWorkers(store)).map((each) => each.name)).toEqual(["younger", "w"]);
  await lease("expires_at = now() - interval '1 millisecond', last_error = 'x'");
  const workers = await readWorkers(store);
  expect(workers[1]).toMatchObject({ state: "LOST", lastError: "x", startedAt: expect.any(Date), stoppedAt: null });
  await lease("heartbeat_at = now() - interval '61 minutes'");
  expect((await readWorkers(store)).map((each) => each.id)).toEqual([younger.holder]);
});

test("readDeadIncarnations - those of the name, registered or not, whose lease has ended in the last hour", async () => {
  const closed = randomUUID();
  await openLease(store, { id: closed, name: "w", host: "h", pid: 1, version: "1.2.3", queues: [] });
  expect(await readDeadIncarnations(store, "w")).toEqual([]);
  await closeLease(store, closed, null);
  await lease("expires_at = now() - interval '1 second', heartbeat_at = now() - interval '1 minute'");
  expect(await readDeadIncarnations(store, "w")).toEqual([closed, seat.holder]);
  expect(await readDeadIncarnations(store, "another")).toEqual([]);
  await lease("heartbeat_at = now() - interval '2 hours'");
  expect(await readDeadIncarnations(store, "w")).toEqual([closed]);
});
