import { randomUUID } from "node:crypto";
import { afterAll, beforeEach, describe, expect, test } from "vitest";
import { adopt, requeueMissing } from "../../src/store/adopt.ts";
import { cancel } from "../../src/store/cancel.ts";
import { complete } from "../../src/store/complete.ts";
import { within } from "../../src/store/connection.ts";
import { closeLease } from "../../src/store/lease.ts";
import { rescue } from "../../src/store/rescue.ts";
import { endServer, findOrphanedServers } from "../../src/store/server.ts";
import {
  completion,
  openTestStore,
  readRow,
  type Seat,
  seedOneRunning,
  seedRunning,
  seedWorker,
} from "../support/seed.ts";

const { store, sql, empty, close } = await openTestStore();
let old: Seat;
let heir: Seat;
afterAll(close);
beforeEach(async () => {
  await empty();
  old = await seedWorker(store, { name: "old", outlives: true });
  heir = await seedWorker(store, { name: "heir" });
});

const die = (seat: Seat) =>
  sql`update rayferry.task_worker_lease set expires_at = now() - interval '1 millisecond' where id = ${seat.holder}`;
const adoption = (inventory: readonly { id: string; fence: number }[], seat = heir) => ({
  holder: seat.holder,
  worker: seat.worker,
  server: old.server,
  inventory,
});

const requeueIt = (inventory: readonly { id: string; fence: number }[]) =>
  requeueMissing(store, old.server, [old.holder], inventory);

describe("adopt", () => {
  test("what a dead holder had at the server changes its holder and keeps its fence; the old one is refused then", async () => {
    const held = await seedOneRunning(store, old);
    await die(old);
    const { id, fence, terms } = held;
    const adopted = { id, fence, terms, task: "t.run", cancelling: false, verdict: "ADOPTED" };
    expect(await adopt(store, adoption([held]))).toEqual([adopted]);
    const row = {
      state: "RUNNING",
      fence: String(held.fence),
      holder: heir.holder,
      server: old.server,
      worker: "heir",
    };
    expect(await readRow(sql, held.id)).toMatchObject({ ...row, attempt: 1, infrastructure_losses: 0 });
    expect(await complete(store, old.holder, [completion(held)])).toEqual(new Set());
    expect(await complete(store, heir.holder, [completion(held)])).toEqual(new Set([held.id]));
  });

  test("what a live holder has stays its own", async () => {
    const held = await seedOneRunning(store, old);
    expect(await adopt(store, adoption([held]))).toMatchObject([{ verdict: "ELSEWHERE" }]);
    expect(await readRow(sql, held.id)).toMatchObject({ holder: old.holder });
  });

  test.each([
    ["STOPPED", (seat: Seat) => closeLease(store, seat.holder, null)],
    ["LOST", (seat: Seat) => sql`update rayferry.task_worker_lease set state = 'LOST' where id = ${seat.holder}`],
    [
      "gone",
      (seat: Seat) =>
        sql`update rayferry.ray_task_execution set holder = ${randomUUID()} where holder = ${seat.holder}`,
    ],
  ])("a holder whose lease is %s is dead", async (_what, end) => {
    const held = await seedOneRunning(store, old);
    await end(old);
    expect(await adopt(store, adoption([held]))).toMatchObject([{ verdict: "ADOPTED" }]);
  });

  test("another fence, an unknown execution, one that has ended, one of another server: UNKNOWN", async () => {
    const [again, ended, elsewhere] = [
      await seedOneRunning(store, old),
      await seedOneRunning(store, old),
      await seedOneRunning(store, heir),
    ];
    await complete(store, old.holder, [completion(ended)]);
    await die(old);
    const inventory = [{ id: again.id, fence: again.fence + 1000 }, { id: randomUUID(), fence: 1 }, ended, elsewhere];
    const rows = await adopt(store, adoption(inventory));
    expect(new Map(rows.map((row) => [row.id, row.verdict]))).toEqual(
      new Map(inventory.map(({ id }) => [id, "UNKNOWN"])),
    );
    expect(await readRow(sql, again.id)).toMatchObject({ holder: old.holder });
  });

  test("a cancel that was under way is told", async () => {
    const held = await seedOneRunning(store, old);
    await cancel(store, held.id, null);
    await die(old);
    expect(await adopt(store, adoption([held]))).toMatchObject([{ verdict: "ADOPTED", cancelling: true }]);
    expect(await readRow(sql, held.id)).toMatchObject({ state: "CANCELLING", holder: heir.holder });
  });

  test("an adopter without a lease gets nothing", async () => {
    const held = await seedOneRunning(store, old);
    await die(old);
    await closeLease(store, heir.holder, null);
    expect(await adopt(store, adoption([held]))).toMatchObject([{ verdict: "ELSEWHERE" }]);
    expect(await readRow(sql, held.id)).toMatchObject({ holder: old.holder });
  });

  test("of two adopters at once each row has one", async () => {
    const other = await seedWorker(store, { name: "other" });
    const held = await seedRunning(store, old, 50);
    await die(old);
    const both = await Promise.all([heir, other].map((seat) => adopt(store, adoption(held, seat))));
    const taken = both.map((rows) => rows.filter(({ verdict }) => verdict === "ADOPTED").length);
    expect((taken[0] ?? 0) + (taken[1] ?? 0)).toBe(50);
    const rows = await sql`select distinct holder from rayferry.ray_task_execution`;
    expect(rows.map((row) => row["holder"])).not.toContain(old.holder);
  });

  test("a row that somebody has locked is passed over, with the others it is adopted when that is over", async () => {
    const [locked, free] = await seedRunning(store, old, 2);
    if (locked === undefined || free === undefined) throw new Error("unreachable");
    await die(old);
    const verdicts = async () =>
      new Map((await adopt(store, adoption([locked, free]))).map((row) => [row.id, row.verdict]));
    await sql.begin(async (tx) => {
      await tx`select from rayferry.ray_task_execution where id = ${locked.id} for update`;
      expect(await verdicts()).toEqual(
        new Map([
          [locked.id, "ELSEWHERE"],
          [free.id, "ADOPTED"],
        ]),
      );
    });
    expect((await verdicts()).get(locked.id)).toBe("ADOPTED");
  });

  test("beside another adopter's transaction, which it doesn't wait for - leaves it what it took", async () => {
    const other = await seedWorker(store, { name: "other" });
    const held = await seedOneRunning(store, old);
    await die(old);
    await sql.begin(async (tx) => {
      await adopt(within(store, tx), adoption([held]));
      expect(await adopt(store, adoption([held], other))).toMatchObject([{ verdict: "ELSEWHERE" }]);
      expect(await requeueIt([])).toEqual({ requeued: [], left: 1 });
    });
    expect(await requeueIt([])).toEqual({ requeued: [], left: 0 });
    expect(await readRow(sql, held.id)).toMatchObject({ state: "RUNNING", holder: heir.holder });
  });

  test("asked again for what it has, says so", async () => {
    const held = await seedOneRunning(store, old);
    await die(old);
    await adopt(store, adoption([held]));
    expect(await adopt(store, adoption([held]))).toMatchObject([{ verdict: "ADOPTED" }]);
  });
});

describe("requeueMissing", () => {
  test("requeues what dead holders had and the server doesn't; what was adopted and what live ones hold stays", async () => {
    const [adopted, missing, cancelled] = await seedRunning(store, old, 3);
    const other = await seedWorker(store, { name: "old2", outlives: true });
    const elsewhere = await seedOneRunning(store, other);
    if (adopted === undefined || missing === undefined || cancelled === undefined) throw new Error("unreachable");
    await cancel(store, cancelled.id, null);
    await die(old);
    await die(other);
    await adopt(store, adoption([adopted]));
    const { requeued } = await requeueMissing(store, old.server, [old.holder, other.holder], [adopted]);
    expect(new Map(requeued.map(({ id, state }) => [id, state]))).toEqual(
      new Map([
        [missing.id, "QUEUED"],
        [cancelled.id, "CANCELLED"],
      ]),
    );
    expect(await readRow(sql, missing.id)).toMatchObject({
      attempt: 0,
      infrastructure_losses: 1,
      wait_reason: "Requeued: worker old is gone, and its server never had it",
    });
    expect(await readRow(sql, adopted.id)).toMatchObject({ state: "RUNNING" });
    expect(await readRow(sql, elsewhere.id)).toMatchObject({ state: "RUNNING" });
    expect(await requeueIt([])).toEqual({ requeued: [], left: 0 });
  });

  test("what somebody has locked is left for the next time, and what its server has for `adopt`", async () => {
    const [there, gone] = await seedRunning(store, old, 2);
    if (there === undefined || gone === undefined) throw new Error("unreachable");
    await die(old);
    await sql.begin(async (tx) => {
      await tx`select from rayferry.ray_task_execution for update`;
      await adopt(store, adoption([there]));
      expect(await requeueIt([there])).toEqual({ requeued: [], left: 2 });
    });
    expect(await requeueIt([there])).toEqual({ requeued: [{ id: gone.id, state: "QUEUED" }], left: 1 });
    expect(await readRow(sql, there.id)).toMatchObject({ state: "RUNNING", holder: old.holder });
  });

  test("what an incarnation held that isn't named, dead only since the inventory was asked for, stays", async () => {
    const [named, since] = [await seedOneRunning(store, old), await seedOneRunning(store, old)];
    await sql`update rayferry.ray_task_execution set holder = ${heir.holder} where id = ${since.id}`;
    await die(old);
    await die(heir);
    expect(await requeueIt([])).toEqual({ requeued: [{ id: named.id, state: "QUEUED" }], left: 0 });
    expect(await readRow(sql, since.id)).toMatchObject({ state: "RUNNING", holder: heir.holder });
  });

  test("more than one statement takes", async () => {
    await seedRunning(store, old, 1_001);
    await die(old);
    expect((await requeueIt([])).requeued).toHaveLength(1_001);
  });

  test("not what a holder has that lives, though it is named", async () => {
    await seedOneRunning(store, old);
    expect(await requeueIt([])).toEqual({ requeued: [], left: 0 });
  });
});

describe("findOrphanedServers", () => {
  const ids = async (worker = "heir") => (await findOrphanedServers(store, worker, heir.holder)).map(({ id }) => id);

  test("a server with rows of a dead holder, with who is dead; the lease becomes LOST", async () => {
    await seedOneRunning(store, old);
    expect(await ids()).toEqual([]);
    await die(old);
    expect(await findOrphanedServers(store, "heir", heir.holder)).toEqual([
      {
        id: old.server,
        worker: "old",
        epoch: expect.any(String),
        endpoint: "ipc:///tmp/s",
        actorName: expect.stringMatching(/^actor-/),
        namespace: "rayferry",
        generation: null,
        rayAddress: null,
        deadHolders: [old.holder],
        holdsRows: true,
      },
    ]);
    const [lease] = await sql`select state from rayferry.task_worker_lease where id = ${old.holder}`;
    expect(lease).toEqual({ state: "LOST" });
  });

  test("an empty one matters to its own worker's name alone", async () => {
    await die(old);
    expect(await ids()).toEqual([]);
    expect(await findOrphanedServers(store, "old", randomUUID())).toMatchObject([{ id: old.server, holdsRows: false }]);
    const { id } = await seedOneRunning(store, heir);
    await sql`update rayferry.ray_task_execution set server = ${old.server} where id = ${id}`;
    expect(await findOrphanedServers(store, "old", randomUUID())).toMatchObject([{ id: old.server, holdsRows: false }]);
  });

  test.each([
    ["that has ended", () => endServer(store, old.server)],
    [
      "whose authority is over",
      () => sql`update rayferry.task_sidecar set authority_until = now() - interval '3 seconds'`,
    ],
    ["that lived in its worker's process", () => sql`update rayferry.task_sidecar set outlives = false`],
  ])("not one %s", async (_what, change) => {
    await seedOneRunning(store, old);
    await die(old);
    await change();
    expect(await ids("old")).toEqual([]);
  });

  test("one of another worker at which the one that asks holds rows itself, though nobody is dead", async () => {
    const held = await seedOneRunning(store, old);
    await seedOneRunning(store, heir);
    await sql`update rayferry.ray_task_execution set holder = ${heir.holder} where id = ${held.id}`;
    expect(await findOrphanedServers(store, "heir", heir.holder)).toMatchObject([{ id: old.server, deadHolders: [] }]);
    expect(await findOrphanedServers(store, "w", randomUUID())).toEqual([]);
  });

  test("one whose drainer died, though its own worker lives", async () => {
    const held = await seedOneRunning(store, old);
    await sql`update rayferry.ray_task_execution set holder = ${heir.holder} where id = ${held.id}`;
    await die(heir);
    expect(await findOrphanedServers(store, "w", randomUUID())).toMatchObject([
      { id: old.server, deadHolders: [heir.holder] },
    ]);
  });
});

describe("a server that outlives its worker", () => {
  test("goes on when the lease is closed, and is found again under its epoch by the next incarnation", async () => {
    const held = await seedOneRunning(store, old);
    await closeLease(store, old.holder, null);
    const [row] = await sql`select ended_at, epoch from rayferry.task_sidecar where id = ${old.server}`;
    expect(row).toMatchObject({ ended_at: null });
    const next = await seedWorker(store, { name: "old", outlives: true, epoch: String(row?.["epoch"]) });
    expect(next.server).toBe(old.server);
    expect(await adopt(store, adoption([held], next))).toMatchObject([{ verdict: "ADOPTED" }]);
  });

  test("declared dead, it isn't taken up again, and its rows are rescued whoever holds them", async () => {
    const held = await seedRunning(store, old, 2);
    await sql`update rayferry.ray_task_execution set holder = ${heir.holder} where id = ${held[0]?.id ?? ""}`;
    await endServer(store, old.server);
    const [row] = await sql`select epoch from rayferry.task_sidecar where id = ${old.server}`;
    const epoch = String(row?.["epoch"]);
    await expect(seedWorker(store, { name: "old", outlives: true, epoch })).rejects.toThrow("declared dead");
    await sql`update rayferry.task_sidecar set ended_at = now() - interval '6 seconds' where id = ${old.server}`;
    expect(await rescue(store)).toHaveLength(2);
  });
});
