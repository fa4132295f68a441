import { afterAll, expect, test, vi } from "vitest";
import { connect } from "../../src/store/connection.ts";
import { BEAT, BEAT_LIMITS, Beater, type BeaterOptions } from "../../src/worker/beater.ts";
import { Served } from "../../src/worker/served.ts";
import { ServerAttempts } from "../../src/worker/server-attempts.ts";
import { leaseFacts } from "../support/lease-facts.ts";
import { WELCOME } from "../support/router-peer.ts";
import { openTestStore, type Seat, seedWorker } from "../support/seed.ts";
import { silent } from "../support/silent.ts";
import { waitFor } from "../support/wait-for.ts";

const { url, store, sql, close } = await openTestStore();
afterAll(close);

test("Beater - somebody holds a lock on its lease: it fails in time, and is tried again within the lease", async () => {
  expect(BEAT + BEAT_LIMITS.silentAfter).toBeLessThan(5_500);
  const { holder } = await seedWorker(store);
  const there = connect({ databaseUrl: url, ...BEAT_LIMITS, lockTimeout: 150 });
  const errors: string[] = [];
  let renewed = 0;
  const beater = new Beater({
    store: there,
    holder,
    servers: () => [],
    facts: () => leaseFacts(),
    onRenewed: () => {
      renewed += 1;
    },
    onServerEnded: () => {},
    onLeaseLost: (why) => errors.push(why),
    onError: (error) => errors.push(String(error)),
  });
  const somebody = await sql.reserve();
  await somebody`begin`;
  await somebody`select from rayferry.task_worker_lease where id = ${holder} for update`;
  beater.start(performance.now());
  await waitFor("a beat to fail", () => errors.length > 0);
  expect(errors[0]).toContain("55P03: somebody else holds a lock");
  await somebody`commit`;
  somebody.release();
  await waitFor("a beat to get through", () => renewed > 0);
  expect(errors.filter((each) => each.includes("ran out"))).toEqual([]);
  await beater.stop();
  await there.close();
});

function beaterOf({ holder }: Seat, options: Partial<BeaterOptions> = {}): Beater {
  const fail = (why: unknown) => expect.fail(String(why));
  const told = { onRenewed: () => {}, onServerEnded: fail, onLeaseLost: fail, onError: fail };
  return new Beater({ store, holder, servers: () => [], facts: () => leaseFacts(), ...told, ...options });
}

test("Beater - a server that counts as ended isn't told that it may go on", async () => {
  const seat = await seedWorker(store);
  const [sent, ended]: [unknown[], string[]] = [[], []];
  const attempts = new ServerAttempts({
    ...{ store, holder: seat.holder, server: seat.server, logger: silent, graceSeconds: 5 },
    send: () => {},
    inventory: () => Promise.resolve([]),
    hold: () => {},
    onRoom: () => {},
    onError: (error) => expect.fail(String(error)),
  });
  const beaterFor = () => {
    const served = new Served(attempts, WELCOME, (message) => sent.push(message));
    return beaterOf(seat, { servers: () => [served], onServerEnded: (server) => ended.push(server) });
  };
  await beaterFor().runOnce();
  expect([sent.length, ended]).toEqual([1, []]);
  await sql`update rayferry.task_sidecar set ended_at = now() where id = ${seat.server}`;
  await beaterFor().runOnce();
  expect([sent.length, ended]).toEqual([1, [seat.server]]);
});

test("Beater - from the moment at which the lease may have run out it may not act, counted from before it was asked for", async () => {
  const lost: string[] = [];
  let answer: (rows: Record<string, unknown>[]) => void = () => {};
  const query = (text: string, parameters: readonly string[]) =>
    slow
      ? new Promise<Record<string, unknown>[]>((resolve) => {
          answer = resolve;
        })
      : store.query(text, parameters);
  let slow = false;
  const seat = await seedWorker(store);
  const beater = beaterOf(seat, { store: { ...store, query }, onLeaseLost: (why) => lost.push(why) });
  const clock = vi.spyOn(performance, "now");
  const at = (milliseconds: number) => clock.mockReturnValue(milliseconds);
  at(10_000);
  await beater.runOnce();
  at(15_900);
  expect(beater.mayAct()).toBe(true);
  slow = true;
  const beating = beater.runOnce();
  at(16_100);
  expect([beater.mayAct(), lost]).toEqual([false, []]);
  // It had been sent in time.
  answer([
    { row: JSON.stringify({ renewed: true, authorized: [], leads: false, held: [], cancels: [], overdue: [] }) },
  ]);
  await beating;
  expect([beater.mayAct(), beater.leaseLeft, lost]).toEqual([true, 5_800, []]);
  at(23_500);
  expect(beater.mayAct()).toBe(false);
  expect(lost).toHaveLength(1);
  clock.mockRestore();
});
