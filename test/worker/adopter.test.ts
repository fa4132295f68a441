/** The adopter against a scripted server: what it does between a server and Postgres when either says something in between. */
import { pino } from "pino";
import { afterAll, afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { InventoryEntry, ServerMessage, WorkerMessage } from "../../bridge/src/index.ts";
import { complete } from "../../src/store/complete.ts";
import type { Store } from "../../src/store/connection.ts";
import { Adopter, type AdopterOptions } from "../../src/worker/adopter.ts";
import { Served } from "../../src/worker/served.ts";
import { ServerAttempts } from "../../src/worker/server-attempts.ts";
import { EPOCH, HEARTBEAT, INVENTORY, REGISTRY, RouterPeer, WELCOME } from "../support/router-peer.ts";
import {
  completion,
  openTestStore,
  readRow,
  type Seat,
  seedOneRunning,
  seedRunning,
  seedWorker,
} from "../support/seed.ts";
import { PLAIN_TERMS } from "../support/terms.ts";
import { waitFor } from "../support/wait-for.ts";

const { store, sql, empty, close } = await openTestStore();
const logger = pino({ level: "silent" });
let peer: RouterPeer;
let old: Seat;
let heir: Seat;
let adopter: Adopter;
let own: ServerAttempts;
/** What the own server was told. */
let told: WorkerMessage[];
let inbox: WorkerMessage[];
afterAll(close);

beforeEach(async () => {
  await empty();
  inbox = [];
  told = [];
  peer = await RouterPeer.bind();
  old = await seedWorker(store, { name: "old", outlives: true, epoch: EPOCH });
  heir = await seedWorker(store, { name: "heir", outlives: true });
});
afterEach(async () => {
  await adopter?.stop();
  await peer.close();
});

const die = (seat: Seat) =>
  sql`update rayferry.task_worker_lease set expires_at = now() - interval '1 millisecond' where id = ${seat.holder}`;

function adopt(options: Partial<AdopterOptions> = {}, on: Store = store): Adopter {
  const shared = { store: on, holder: heir.holder, logger, graceSeconds: 5, onError: () => {} };
  own = new ServerAttempts({
    ...shared,
    server: heir.server,
    send: (message) => told.push(message),
    inventory: () => Promise.resolve([]),
    hold: () => {},
    onRoom: () => {},
  });
  const way = { endpoint: peer.endpoint, curve: null };
  adopter = new Adopter({
    ...shared,
    worker: heir.worker,
    database: null,
    own: new Served(own, WELCOME, () => {}),
    ownActor: null,
    rayAddress: null,
    ownInventory: () => Promise.resolve([]),
    findWay: () => Promise.resolve(way),
    ...options,
  });
  return adopter;
}

const entry = ({ id, fence }: { id: string; fence: number }): InventoryEntry => ({
  id,
  fence,
  holder: old.holder,
  phase: "RUNNING",
});

/** Takes a hello and answers it; the server holds these. */
async function greet(...held: readonly InventoryEntry[]): Promise<WorkerMessage> {
  const hello = await peer.receiveHello();
  await peer.send([{ ...WELCOME, hello: hello.hello }], { ack: 0 });
  const attempts = held.map(({ id, fence, holder, phase }) => [id, fence, holder, phase] as const);
  await peer.send([REGISTRY, { ...INVENTORY, attempts }]);
  return hello;
}

/** The next message that says more than that the worker lives. */
const heard = async (): Promise<WorkerMessage> => {
  for (;;) {
    const message = inbox.shift();
    if (message === undefined) inbox.push(...(await peer.receive()).messages);
    else if (message.type !== "authority" && message.type !== "heartbeat") return message;
  }
};

function succeeded({ id, fence }: { id: string; fence: number }): ServerMessage {
  const run = { ray_task_id: null, node_id: null, worker_id: null, pid: 7, run_seconds: 1, age_seconds: 0 };
  const value = Buffer.from("1");
  return {
    type: "result",
    execution: id,
    fence,
    outcome: "SUCCEEDED",
    content_type: "application/json",
    value,
    error: null,
    again: null,
    run,
  };
}

describe("Adopter - at a server that outlived its worker", () => {
  test("what it adopted it keeps, whatever the server says while Postgres is asked", async () => {
    const held = await seedOneRunning(store, old);
    await die(old);
    const gate = Promise.withResolvers<void>();
    const query: Store["query"] = async (text, params) => {
      if (text.includes("adopted as")) await gate.promise;
      return await store.query(text, params);
    };
    const adopting = adopt({}, { ...store, query }).runOnce();
    await greet(entry(held));
    await peer.send([HEARTBEAT]);
    await waitFor("the heartbeat has come", () => adopter.served()[0]?.newTick() === HEARTBEAT.tick);
    gate.resolve();
    await adopting;
    expect(await heard()).toEqual({ type: "adopt", attempts: [[held.id, held.fence]] });
    await peer.send([succeeded(held)]);
    expect(await heard()).toEqual({ type: "recorded", attempts: [[held.id, held.fence]] });
    expect(await readRow(sql, held.id)).toMatchObject({ state: "SUCCEEDED" });
    expect(await heard()).toMatchObject({ type: "close", stop: false });
  });

  test("what somebody has locked it adopts at the next look, and nothing of it is taken for missing", async () => {
    const held = await seedOneRunning(store, old);
    await die(old);
    await sql.begin(async (tx) => {
      await tx`select from rayferry.ray_task_execution where id = ${held.id} for update`;
      const adopting = adopt().runOnce();
      await greet(entry(held));
      await adopting;
      expect(await readRow(sql, held.id)).toMatchObject({ state: "RUNNING", holder: old.holder });
      await adopter.runOnce();
    });
    await adopter.runOnce();
    expect(await heard()).toEqual({ type: "adopt", attempts: [[held.id, held.fence]] });
    expect(await readRow(sql, held.id)).toMatchObject({
      state: "RUNNING",
      holder: heir.holder,
      fence: String(held.fence),
    });
  });

  test("what it holds there without a session, the last one having been lost, it takes up again", async () => {
    const [there, gone] = [await seedOneRunning(store, old), await seedOneRunning(store, old)];
    await sql`update rayferry.ray_task_execution set holder = ${heir.holder}`;
    const adopting = adopt().runOnce();
    expect(await greet({ ...entry(there), holder: heir.holder })).toMatchObject({ replaces: [] });
    await adopting;
    expect(await heard()).toEqual({ type: "adopt", attempts: [[there.id, there.fence]] });
    expect(await readRow(sql, there.id)).toMatchObject({ state: "RUNNING" });
    expect(await readRow(sql, gone.id)).toMatchObject({ state: "QUEUED", attempt: 0, infrastructure_losses: 1 });
  });
});

describe("Adopter - at an old server of its own name, at which another holds what there is", () => {
  afterEach(() => void vi.restoreAllMocks());

  test("knocks ever more rarely, but at once when that one has died", async () => {
    const other = await seedWorker(store, { name: "other", outlives: true });
    const held = await seedOneRunning(store, old);
    await sql`update rayferry.ray_task_execution set holder = ${other.holder} where id = ${held.id}`;
    await die(old);
    let passed = 0;
    const began = Math.ceil(performance.now());
    vi.spyOn(performance, "now").mockImplementation(() => began + passed);
    const knocks: number[] = [];
    const findWay = () => {
      knocks.push(passed / 1_000);
      void peer.welcome();
      return Promise.resolve({ endpoint: peer.endpoint, curve: null });
    };
    adopt({ worker: "old", findWay });
    const look = async (second: number) => {
      passed = second * 1_000;
      await adopter.runOnce();
      await waitFor("it has left again", () => adopter.served().length === 0);
    };
    for (let second = 0; second <= 124; second += 2) await look(second);
    expect(knocks).toEqual([0, 2, 6, 14, 30, 62, 122]);
    await die(other);
    await look(126);
    expect(knocks).toHaveLength(8);
  });
});

describe("Adopter - at a server that may be dead", () => {
  const endedAt = async (): Promise<unknown> =>
    (await sql`select ended_at from rayferry.task_sidecar where id = ${old.server}`)[0]?.["ended_at"];
  const name = async (): Promise<string> =>
    (await sql`select actor_name from rayferry.task_sidecar where id = ${old.server}`)[0]?.["actor_name"];

  beforeEach(async () => {
    await seedOneRunning(store, old);
    await die(old);
  });

  test("is told dead, and noted", async () => {
    await adopt({ findWay: () => Promise.resolve("DEAD") }).runOnce();
    expect(await endedAt()).toBeInstanceOf(Date);
  });

  test("of another cluster nobody here can say that", async () => {
    await sql`update rayferry.task_sidecar set ray_address = '10.0.0.9:6379' where id = ${old.server}`;
    const findWay = () => Promise.resolve("DEAD" as const);
    await adopt({ findWay, rayAddress: "10.0.0.1:6379" }).runOnce();
    expect(await endedAt()).toBeNull();
    await adopter.stop();
    await adopt({ findWay, rayAddress: "10.0.0.9:6379" }).runOnce();
    expect(await endedAt()).toBeInstanceOf(Date);
  });

  test("where our own actor has its name now it is dead, and our own server isn't asked", async () => {
    const asked: string[] = [];
    const findWay = ({ id }: { id: string }) => {
      asked.push(id);
      return Promise.resolve({ endpoint: peer.endpoint, curve: null });
    };
    await adopt({ findWay, ownActor: await name() }).runOnce();
    expect(await endedAt()).toBeInstanceOf(Date);
    expect(asked).toEqual([]);
  });

  test("where another worker's actor has its name now it is dead too", async () => {
    const adopting = adopt().runOnce();
    const hello = await peer.receiveHello();
    await peer.send([{ ...WELCOME, hello: hello.hello, epoch: "another" }], { ack: 0, epoch: "another" });
    await peer.send([REGISTRY, INVENTORY], { epoch: "another" });
    await adopting;
    expect(await endedAt()).toBeInstanceOf(Date);
  });
});

describe("Adopter - at the own server", () => {
  afterEach(() => void vi.restoreAllMocks());

  test("once a minute what it holds is compared with Postgres", async () => {
    const [mine, stolen, lost, done, dead] = await seedRunning(store, heir, 5);
    if (!mine || !stolen || !lost || !done || !dead) throw new Error("unreachable");
    await complete(store, heir.holder, [completion(done)]);
    await sql`update rayferry.ray_task_execution set holder = ${old.holder} where id = ${dead.id}`;
    await die(old);
    const asked: number[] = [];
    const ours = { holder: heir.holder };
    const inventory = [{ ...entry(mine), ...ours }, { ...entry(done), ...ours }, entry(stolen), entry(dead)];
    const ownInventory = () => {
      asked.push(asked.length);
      return Promise.resolve(inventory);
    };
    adopt({ ownInventory });
    own.start();
    adopter.setNeeded(false);
    for (const { id, fence } of [mine, stolen, lost]) own.held.add(id, fence, "t.run", PLAIN_TERMS);
    await adopter.runOnce();
    expect(asked).toEqual([]);
    const now = performance.now();
    vi.spyOn(performance, "now").mockReturnValue(now + 60_000);
    await adopter.runOnce();
    await adopter.runOnce();
    expect(asked).toHaveLength(1);
    expect(told).toEqual([
      { type: "adopt", attempts: expect.toSatisfy((keys) => sameKeys(keys, [stolen, dead])) },
      { type: "discard", attempts: [[done.id, done.fence]] },
    ]);
    vi.restoreAllMocks();
    await waitFor("what the server lost is given back", () => own.held.find(lost.id, lost.fence) === null);
    expect(await readRow(sql, lost.id)).toMatchObject({ state: "QUEUED" });
    await own.stop();
    expect(own.held.all().map(({ id }) => id)).toEqual([mine.id, stolen.id, dead.id]);
    for (const each of [mine, stolen, dead])
      expect(await readRow(sql, each.id)).toMatchObject({ state: "RUNNING", holder: heir.holder });
  });
});

function sameKeys(keys: unknown, of: readonly { id: string; fence: number }[]): boolean {
  const sorted = (list: unknown) => JSON.stringify([...(list as string[][])].sort());
  return sorted(keys) === sorted(of.map(({ id, fence }) => [id, fence]));
}
