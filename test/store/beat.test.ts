import { randomUUID } from "node:crypto";
import { afterAll, beforeEach, describe, expect, test } from "vitest";
import { beat } from "../../src/store/beat.ts";
import { cancel } from "../../src/store/cancel.ts";
import { drainLease, readCancels } from "../../src/store/lease.ts";
import { readWorkers } from "../../src/store/read.ts";
import { leaseFacts } from "../support/lease-facts.ts";
import {
  claimAs,
  openTestStore,
  type Seat,
  seedOneRunning,
  seedQueued,
  seedRunning,
  seedWorker,
} from "../support/seed.ts";

const { store, sql, empty, close } = await openTestStore();
let seat: Seat;
afterAll(close);
beforeEach(async () => {
  await empty();
  seat = await seedWorker(store, { name: "w", tasks: ["a", "b"] });
});

const lease = (changes: string, of = seat) =>
  sql.unsafe(`update rayferry.task_worker_lease set ${changes} where id = '${of.holder}'`);
const leaseOf = async (of: Seat) => (await readWorkers(store)).find(({ id }) => id === of.holder);

/** What is left of lease and authority, in seconds. */
async function left(): Promise<{ lease: number; authority: number }> {
  const [row] = await sql`select extract(epoch from l.expires_at - now())::float8 as lease,
    extract(epoch from s.authority_until - now())::float8 as authority
    from rayferry.task_worker_lease l join rayferry.task_sidecar s on s.holder = l.id where l.id = ${seat.holder}`;
  return row as { lease: number; authority: number };
}

const TICKED = () => [{ server: seat.server, seconds: 8 }];

describe("beat", () => {
  beforeEach(async () => {
    await lease("expires_at = now() + interval '1 second'");
    await sql`update rayferry.task_sidecar set authority_until = now() + interval '1 second'`;
  });

  test("renews the lease for 6 s; the authority only with a new tick", async () => {
    expect(await beat(store, seat.holder, leaseFacts({ running: 3 }), [seat.server], [])).toMatchObject({
      renewed: true,
      cancels: [],
    });
    expect(await left()).toEqual({ lease: expect.closeTo(6, 0), authority: expect.closeTo(1, 0) });
    const [row] = await sql`select running from rayferry.task_worker_lease where id = ${seat.holder}`;
    expect(row).toEqual({ running: 3 });
    await beat(store, seat.holder, leaseFacts(), [seat.server], TICKED());
    expect(await left()).toEqual({ lease: expect.closeTo(6, 0), authority: expect.closeTo(8, 0) });
  });

  test.each([
    ["has run out", "expires_at = now() - interval '1 millisecond'"],
    ["is STOPPED", "state = 'STOPPED'"],
    ["is LOST", "state = 'LOST'"],
  ])("doesn't revive a lease that %s, nor its server's authority", async (_what, changes) => {
    await lease(changes);
    const before = await sql`select * from rayferry.task_worker_lease`;
    expect(await beat(store, seat.holder, leaseFacts(), [seat.server], TICKED())).toMatchObject({ renewed: false });
    expect(await sql`select * from rayferry.task_worker_lease`).toEqual(before);
    expect((await left()).authority).toBeLessThanOrEqual(1);
  });

  test("gives no authority to a server that has ended", async () => {
    await sql`update rayferry.task_sidecar set ended_at = now()`;
    const report = await beat(store, seat.holder, leaseFacts(), [seat.server], TICKED());
    expect(report).toMatchObject({ renewed: true, authorized: [] });
    expect((await left()).authority).toBeLessThanOrEqual(1);
  });

  test("says whether there may be something to adopt: another's server that lives on, or another's rows at ours", async () => {
    const hasOthers = async () => (await beat(store, seat.holder, leaseFacts(), [seat.server], [])).hasOtherServers;
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
    expect(await beat(store, randomUUID(), leaseFacts(), [], [])).toMatchObject({ renewed: false, cancels: [] });
  });

  test("goes on while DRAINING", async () => {
    await drainLease(store, seat.holder);
    expect(await beat(store, seat.holder, leaseFacts(), [seat.server], [])).toMatchObject({ renewed: true });
    expect((await readWorkers(store))[0]).toMatchObject({ state: "DRAINING" });
  });

  test("brings the cancels of this holder and of nobody else", async () => {
    const other = await seedWorker(store);
    const [mine, running] = await seedRunning(store, seat, 2);
    const [theirs] = await seedRunning(store, other, 1);
    for (const each of [mine, theirs]) await cancel(store, each?.id ?? "", null);
    const expected = [{ id: mine?.id, fence: mine?.fence }];
    expect((await beat(store, seat.holder, leaseFacts({ running: 2 }), [seat.server], [])).cancels).toEqual(expected);
    expect(await readCancels(store, seat.holder, [seat.server])).toEqual(expected);
    expect(running).toBeDefined();
  });
});

const RAY = { address: "10.0.0.5:6379", version: "2.60.0", reachable: true, nodes: 2, cpus: 8, cpusFree: 3.5 };

describe("beat - what the lease tells", () => {
  test("phases, slots, server and Ray; a trouble stays until the next one, and says when it was", async () => {
    const ray = { ...RAY, gpus: 0, gpusFree: 0, memory: 16e9, memoryFree: 9e9 };
    const counts = { submitted: 1, pending: 2, running: 3, slots: 8, refused: 5 };
    const said = { ...counts, sidecarPid: 77, accepting: false, ray };
    const trouble = { message: "a\0b", ageSeconds: 60 };
    await beat(store, seat.holder, leaseFacts({ ...said, server: seat.server, trouble }), [], []);
    const told = await leaseOf(seat);
    expect(told).toMatchObject({ ...said, server: { id: seat.server, pid: 4343, isEnded: false }, lastError: "a\\0b" });
    expect((Date.now() - (told?.lastErrorAt?.getTime() ?? 0)) / 1000).toBeCloseTo(60, 0);
    await beat(store, seat.holder, leaseFacts(), [], []);
    const later = await leaseOf(seat);
    expect(later).toMatchObject({ running: 0, slots: 8, ray: null, server: null, lastError: told?.lastError });
    expect(later?.lastErrorAt).toEqual(told?.lastErrorAt);
  });

  test("a lease that has run out tells nothing more", async () => {
    await lease("expires_at = now() - interval '1 millisecond'");
    await beat(store, seat.holder, leaseFacts({ running: 3, trouble: { message: "late", ageSeconds: 0 } }), [], []);
    expect(await leaseOf(seat)).toMatchObject({ state: "LOST", running: 0, lastError: null });
  });
});

describe("beat - who leads", () => {
  const leads = async (of: Seat) => (await beat(store, of.holder, leaseFacts(), [], [])).leads;
  const pair = async () => {
    const seats = [seat, await seedWorker(store)].sort((a, b) => (a.holder < b.holder ? -1 : 1));
    return seats as [Seat, Seat];
  };

  test("the first READY one by id, and it is written down", async () => {
    const [first, second] = await pair();
    expect(await leads(second)).toBe(false);
    expect(await leads(first)).toBe(true);
    expect(await leads(second)).toBe(false);
    expect([await leaseOf(first), await leaseOf(second)]).toMatchObject([{ leads: true }, { leads: false }]);
  });

  test.each([
    ["whose lease has run out", "expires_at = now() - interval '1 millisecond'", false],
    ["that has stopped", "state = 'STOPPED'", false],
    ["that starts", "state = 'STARTING'", false],
    ["that drains", "state = 'DRAINING'", false],
    ["that was asked to drain", "drain_requested_at = now()", false],
    ["that is alone", "state = 'READY'", true],
  ])("one %s is followed by the next", async (_what, changes, stays) => {
    const [first, second] = await pair();
    await lease(changes, first);
    expect(await leads(second)).toBe(!stays);
    expect(await leads(first)).toBe(stays);
  });

  test("one that starts leads while there is no other, so that its Ray may never come up", async () => {
    const [first, second] = await pair();
    await lease("state = 'STARTING'", first);
    await lease("state = 'DRAINING'", second);
    expect([await leads(first), await leads(second)]).toEqual([false, true]);
    await lease("state = 'STOPPED'", second);
    expect(await leads(first)).toBe(true);
  });

  test("one that drains leads while nobody else is READY", async () => {
    await lease("state = 'DRAINING'");
    expect(await leads(seat)).toBe(true);
  });
});

describe("beat - a drain", () => {
  test("that was requested makes the lease DRAINING in the same statement: nothing is claimed any more", async () => {
    await seedQueued(store);
    await lease("drain_requested_at = now()");
    expect(await beat(store, seat.holder, leaseFacts(), [], [])).toMatchObject({ renewed: true, drainRequested: true });
    expect(await leaseOf(seat)).toMatchObject({ state: "DRAINING", drainRequestedAt: expect.any(Date) });
    expect(await claimAs(store, seat)).toEqual([]);
  });
});

describe("beat - what is overdue", () => {
  test("of this holder's: what has a deadline that has passed, and no other's", async () => {
    const other = await seedWorker(store);
    const mine = await seedOneRunning(store, seat, { queueTimeoutSeconds: 60 });
    await seedOneRunning(store, other, { queueTimeoutSeconds: 60 });
    await seedOneRunning(store, seat);
    const overdue = async () => (await beat(store, seat.holder, leaseFacts(), [seat.server], [])).overdue;
    expect(await overdue()).toEqual([]);
    await sql`update rayferry.ray_task_execution set expires_at = now() where expires_at is not null`;
    expect(await overdue()).toEqual([{ id: mine.id, fence: mine.fence }]);
    await cancel(store, mine.id, null);
    expect(await overdue()).toEqual([]);
  });
});
