import { randomUUID } from "node:crypto";
import { afterAll, beforeEach, describe, expect, test } from "vitest";
import { beat } from "../../src/store/beat.ts";
import { closeLease, openLease, readDeadIncarnations, readNameHolders } from "../../src/store/lease.ts";
import { readWorkers } from "../../src/store/read.ts";
import { openServer } from "../../src/store/server.ts";
import { leaseFacts } from "../support/lease-facts.ts";
import { openTestStore, type Seat, seedWorker } from "../support/seed.ts";

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

describe("closeLease", () => {
  test("STOPPED with the reason; its server has ended, and when isn't moved by a second call", async () => {
    await closeLease(store, seat.holder, "it crashed");
    const [row] = await sql`select * from rayferry.task_worker_lease where id = ${seat.holder}`;
    const said = { last_error: "it crashed", last_error_at: expect.any(Date), stopped_at: expect.any(Date) };
    expect(row).toMatchObject({ state: "STOPPED", ...said });
    const ended = await sql`select ended_at from rayferry.task_sidecar`;
    expect(ended).toEqual([{ ended_at: expect.any(Date) }]);
    await closeLease(store, seat.holder, null);
    expect(await sql`select ended_at from rayferry.task_sidecar`).toEqual(ended);
  });

  test("what was said last stays, but what it held and that it leads", async () => {
    const ray = { address: "a:1", version: "2.60.0", reachable: false, nodes: 1, cpus: 4, cpusFree: 2 };
    const said = { ray: { ...ray, gpus: 0, gpusFree: 0, memory: 8e9, memoryFree: 4e9 }, server: seat.server };
    const trouble = { message: "Ray is gone", ageSeconds: 3 };
    const counts = { submitted: 1, pending: 2, running: 3, refused: 4 };
    await beat(store, seat.holder, leaseFacts({ ...counts, ...said, sidecarPid: 5, accepting: true, trouble }), [], []);
    await closeLease(store, seat.holder, null);
    const [lease] = await readWorkers(store);
    const kept = { refused: 4, sidecarPid: 5, ray: said.ray, lastError: "Ray is gone", lastErrorAt: expect.any(Date) };
    expect(lease).toMatchObject({ ...kept, server: { id: seat.server, pid: 4343, isEnded: true } });
    const gone = { submitted: 0, pending: 0, running: 0, leads: false, accepting: null };
    expect(lease).toMatchObject({ state: "STOPPED", ...gone });
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
  for (const state of ["READY", "LOST"]) {
    await lease(`leads = true, state = '${state}'`);
    expect((await readWorkers(store))[1]).toMatchObject({ state: "LOST", leads: false });
  }
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
