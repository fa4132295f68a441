import postgres from "postgres";
import { afterAll, describe, expect, test } from "vitest";
import type { CancelFilter } from "../../src/cancel-filter.ts";
import { cancelByFilter } from "../../src/cancel-many.ts";
import { ConfigurationError } from "../../src/errors.ts";
import { cancel } from "../../src/store/cancel.ts";
import { CANCEL_BATCH } from "../../src/store/cancel-many.ts";
import { complete } from "../../src/store/complete.ts";
import { within } from "../../src/store/connection.ts";
import { readStillOwn } from "../../src/store/lease.ts";
import { release } from "../../src/store/release.ts";
import { openSeatedStore } from "../support/seated-store.ts";
import {
  claimAs,
  completion,
  type Seat,
  seedOneRunning,
  seedQueued,
  seedRunning,
  seedWorker,
} from "../support/seed.ts";
import { waitFor } from "../support/wait-for.ts";

const { url, store, sql, seat, asked, finished } = await openSeatedStore({
  asked: "cancelChannel",
  finished: "finishedChannel",
});
const client = postgres(url, { max: 2, onnotice: () => {} });
afterAll(async () => {
  await client.end();
});

const cancelMany = (filter: CancelFilter) => cancelByFilter(store, filter, "many", false);
const inState = async (state: string) => {
  const rows = await sql`select id from rayferry.ray_task_execution where state = ${state} order by id`;
  return rows.map((row) => String(row["id"]));
};

test("cancelMany - what somebody has locked holds up no other, and comes last", async () => {
  const [locked = "", ...others] = (await seedQueued(store, 20)).sort();
  const cancelling = await client.begin(async (tx) => {
    await tx`select from rayferry.ray_task_execution where id = ${locked} for update`;
    const counts = cancelMany({ all: true });
    counts.catch(() => {});
    await waitFor("the others are cancelled", async () => (await inState("CANCELLED")).length === others.length, 1_500);
    return { counts };
  });
  expect(await cancelling.counts).toEqual({ cancelled: 20, cancelling: 0 });
});

test("cancelMany - more than two batches: queued ones at once, running ones through their holder; who waits is told of each once", async () => {
  const running = await seedRunning(store, seat, 300);
  const queued = await seedQueued(store, 2 * CANCEL_BATCH);
  const done = await seedOneRunning(store, seat, { queue: "other", priority: 9 });
  await complete(store, seat.holder, [completion(done)]);
  await finished.take();
  expect(await cancelByFilter(store, { all: true }, null, true)).toEqual({ cancelled: 1000, cancelling: 300 });
  expect(await inState("CANCELLED")).toEqual([]);
  expect(await cancelMany({ all: true })).toEqual({ cancelled: 1000, cancelling: 300 });
  expect(await inState("CANCELLED")).toEqual([...queued].sort());
  expect(await inState("CANCELLING")).toEqual(running.map(({ id }) => id).sort());
  expect(await inState("SUCCEEDED")).toEqual([done.id]);
  const told = (await finished.take()).flatMap((payload) => payload.split(","));
  expect(told.sort()).toEqual([...queued].sort());
  // At most one word a holder and batch.
  const words = await asked.take();
  expect(words.length).toBeLessThanOrEqual(3);
  expect(new Set(words)).toEqual(new Set([seat.holder]));
  expect(await cancelMany({ all: true })).toEqual({ cancelled: 0, cancelling: 0 });
});

test("cancelMany - many more than a look finds at once, whatever the ids", async () => {
  const running = await seedRunning(store, seat, 5);
  const queued = await seedQueued(store, 30);
  expect(await cancelByFilter(store, { all: true }, null, false, 10)).toEqual({ cancelled: 30, cancelling: 5 });
  expect(await inState("CANCELLING")).toEqual(running.map(({ id }) => id).sort());
  expect(await inState("CANCELLED")).toEqual([...queued].sort());
});

test("cancelMany - each filter narrows it down, together they all must fit", async () => {
  const [plain = ""] = await seedQueued(store);
  const [tagged = ""] = await seedQueued(store, 1, { tags: ["a", "b"], task: "t.other" });
  const [other = ""] = await seedQueued(store, 1, { queue: "other", tags: ["b"] });
  const [old = ""] = await seedQueued(store);
  await sql`update rayferry.ray_task_execution set created_at = now() - interval '2 hours' where id = ${old}`;
  const held = await seedOneRunning(store, seat, { queue: "held" });
  const anHourAgo = new Date(Date.now() - 3_600_000);
  const matches = async (filter: CancelFilter) => {
    const dry = await cancelByFilter(store, filter, null, true);
    const got = await client.begin(async (tx) => {
      const counts = await cancelByFilter(within(store, tx), filter, null, false);
      expect(counts).toEqual(dry);
      const rows = await tx`select id from rayferry.ray_task_execution where cancel_requested_at is not null`;
      await tx`rollback and chain`;
      return rows.map((row) => String(row["id"]));
    });
    return got.sort();
  };
  const expected = (...ids: string[]) => ids.sort();
  expect(await matches({ queue: "other" })).toEqual([other]);
  expect(await matches({ task: "t.other" })).toEqual([tagged]);
  expect(await matches({ tag: "b" })).toEqual(expected(tagged, other));
  expect(await matches({ tag: "b", queue: "default" })).toEqual([tagged]);
  expect(await matches({ state: "RUNNING" })).toEqual([held.id]);
  expect(await matches({ state: ["QUEUED", "CANCELLING"], queue: "default" })).toEqual(expected(plain, tagged, old));
  expect(await matches({ createdBefore: anHourAgo })).toEqual([old]);
  expect(await matches({ createdAfter: anHourAgo, queue: "default" })).toEqual(expected(plain, tagged));
  expect(await matches({ ids: [held.id.toUpperCase(), plain, plain, "0198c5a2-7f3e-7000-8000-000000000000"] })).toEqual(
    expected(held.id, plain),
  );
  expect(await matches({ ids: [plain, other], tag: "b" })).toEqual([other]);
  expect(await matches({ ids: [] })).toEqual([]);
  expect(await matches({ state: "CANCELLING" })).toEqual([]);
  expect(await inState("CANCELLED")).toEqual([]);
});

test.each([
  [{}, "needs a filter", "all: true"],
  [{ queue: undefined }, "needs a filter", "all: true"],
  [{ all: false }, "needs a filter", "all: true"],
  [{ quue: "q" }, 'Did you mean "queue"?', "quue"],
  [{ state: "SUCCEEDED" }, "has ended and can't be cancelled", "QUEUED, RUNNING"],
  [{ state: "RUNING" }, 'Did you mean "RUNNING"?', "States"],
  [{ queue: "a b" }, "A queue's name must be", "a b"],
  [{ ids: ["7"] }, "id is a UUID", "7"],
  [{ ids: "7" }, "must be an array", "ids"],
  [{ tag: "" }, "tag must be a string that isn't empty", "tag"],
  [{ createdBefore: new Date("x") }, "createdBefore must be a valid Date", "Invalid"],
  [{ all: "yes" }, "all must be true or false", "yes"],
])("cancelMany of %j - is refused", async (filter, ...parts) => {
  await seedQueued(store);
  const refused = cancelMany(filter as CancelFilter);
  await expect(refused).rejects.toThrow(ConfigurationError);
  for (const part of parts) await expect(refused).rejects.toThrow(part);
  expect(await inState("QUEUED")).toHaveLength(1);
});

test("cancelMany - what is enqueued meanwhile isn't meant, so that it ends", async () => {
  let going = true;
  const producer = (async () => {
    while (going) await seedQueued(store, 50);
  })();
  const before = await seedQueued(store, 2 * CANCEL_BATCH);
  const { cancelled } = await cancelMany({ all: true });
  going = false;
  await producer;
  expect(cancelled).toBeGreaterThanOrEqual(before.length);
  const ended = new Set(await inState("CANCELLED"));
  expect(before.filter((id) => !ended.has(id))).toEqual([]);
});

test("cancelMany - in a transaction of the caller's all of it commits or rolls back, and so do the words to others", async () => {
  await seedQueued(store, CANCEL_BATCH + 1);
  await seedOneRunning(store, seat, { queue: "held" });
  const all = (tx: postgres.TransactionSql) => cancelByFilter(within(store, tx), { all: true }, "tx", false);
  const rolledBack = client.begin(async (tx) => {
    expect(await all(tx)).toEqual({ cancelled: CANCEL_BATCH + 1, cancelling: 1 });
    throw new Error("no");
  });
  await expect(rolledBack).rejects.toThrow("no");
  expect([await inState("CANCELLED"), await finished.take(), await asked.take()]).toEqual([[], [], []]);
  await client.begin(all);
  expect(await inState("CANCELLED")).toHaveLength(CANCEL_BATCH + 1);
  expect((await finished.take()).flatMap((payload) => payload.split(","))).toHaveLength(CANCEL_BATCH + 1);
  expect(await asked.take()).toEqual([seat.holder]);
});

describe("cancelMany - against claims, completions, hand-backs and other cancels", () => {
  /** Claims, completes and hands back until nothing is left; the states that Postgres said it wrote. */
  async function work(each: Seat, handsBack: boolean, written: Map<string, string>): Promise<void> {
    while (true) {
      const claimed = await claimAs(store, each, 40);
      if (claimed.length === 0) return;
      const back = handsBack ? claimed.slice(0, 5) : [];
      let ended = claimed.slice(back.length).map((of) => completion(of));
      while (ended.length > 0) {
        for (const id of await complete(store, each.holder, ended.reverse())) written.set(id, "SUCCEEDED");
        // What somebody had locked is left out.
        const own = await readStillOwn(store, each.holder, ended);
        ended = ended.filter(({ id }) => own.has(id));
      }
      const reason = { reason: "r", delaySeconds: 0, unknownTask: false };
      let released = back.map(({ id, fence }) => ({ id, fence, ...reason }));
      while (released.length > 0) {
        for (const row of await release(store, each.holder, released.reverse()))
          if (row.state === "CANCELLED") written.set(row.id, "CANCELLED");
        const own = await readStillOwn(store, each.holder, released);
        released = released.filter(({ id }) => own.has(id));
      }
    }
  }

  test("no deadlock; each execution is cancelled at most once, and what was said of it is what became of it", async () => {
    const seats = [seat, await seedWorker(store), await seedWorker(store)];
    const seen = { cancelled: 0, cancelling: 0, succeeded: 0 };
    for (let round = 0; round < 5; round += 1) {
      await sql`truncate rayferry.ray_task_execution cascade`;
      const ids = await seedQueued(store, 2_000);
      const written = new Map<string, string>();
      const working = seats.map((each, n) => work(each, n === 2, written));
      const singly = ids.slice(0, 50).map((id) => cancel(store, id, null));
      const shuffled = [...ids].sort(() => Math.random() - 0.5);
      const counts = await Promise.all([
        cancelMany({ ids: shuffled.slice(0, 900) }),
        cancelMany({ ids: shuffled.slice(600, 1_400) }),
        cancelMany({ all: true }),
        cancelMany({ queue: "default", state: "RUNNING" }),
      ]);
      const single = (await Promise.all(singly)).filter(
        (each) => each?.before === "QUEUED" && each.after === "CANCELLED",
      );
      await Promise.all(working);
      const atOnce = counts.reduce((sum, each) => sum + each.cancelled, single.length);
      const stopped = [...written.values()].filter((state) => state === "CANCELLED").length;
      expect(await inState("CANCELLED")).toHaveLength(atOnce + stopped);
      const succeeded = await inState("SUCCEEDED");
      expect(succeeded).toEqual([...written].flatMap(([id, state]) => (state === "SUCCEEDED" ? [id] : [])).sort());
      expect(succeeded.length + atOnce + stopped).toBe(ids.length);
      seen.cancelled += atOnce;
      seen.cancelling += counts.reduce((sum, each) => sum + each.cancelling, 0);
      seen.succeeded += succeeded.length;
    }
    // Else nothing met anything.
    for (const count of Object.values(seen)) expect(count).toBeGreaterThan(0);
    await sql`select pg_stat_force_next_flush()`;
    const [statistics] =
      await sql`select deadlocks::int as deadlocks from pg_stat_database where datname = current_database()`;
    expect(statistics?.["deadlocks"]).toBe(0);
  });
});

test("cancelMany - a row of somebody's that is about to name one of them doesn't hold it up", async () => {
  const [id = ""] = await seedQueued(store, 2);
  await sql.begin(async (tx) => {
    await tx`select from rayferry.ray_task_execution where id = ${id} for key share`;
    expect(await cancelMany({ all: true })).toEqual({ cancelled: 2, cancelling: 0 });
  });
});
