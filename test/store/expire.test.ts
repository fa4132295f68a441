import postgres from "postgres";
import { afterAll, beforeEach, describe, expect, test } from "vitest";
import { RayTaskBackend } from "../../src/index.ts";
import { claim } from "../../src/store/claim.ts";
import { within } from "../../src/store/connection.ts";
import { expire, readOverdue } from "../../src/store/expire.ts";
import { list } from "../../src/store/list.ts";
import { readExecutions } from "../../src/store/read.ts";
import { timely } from "../../src/store/timely.ts";
import { collectNotifications } from "../support/notifications.ts";
import { openTestStore, readRow, seedOneRunning, seedQueued, seedWorker } from "../support/seed.ts";

const { store, sql, empty, close, url } = await openTestStore();
const finished = await collectNotifications(store, store.names.finishedChannel);
await sql`create table refused (id uuid)`;
await sql`create function refuse() returns trigger language plpgsql as $$ begin
  if new.id in (select id from refused) then raise exception 'nobody expires this'; end if;
  return new; end $$`;
await sql`create trigger refuse before update of state on rayferry.ray_task_execution for each row
  when (new.state = 'EXPIRED') execute function refuse()`;
afterAll(close);
beforeEach(async () => {
  await empty();
  await finished.take();
});

/** `count` that were to begin a second ago. */
async function seedOverdue(count = 1): Promise<string[]> {
  const ids = await seedQueued(store, count, { queueTimeoutSeconds: 60 });
  await sql`update rayferry.ray_task_execution set expires_at = now() - interval '1 second' where id = any(${ids})`;
  return ids;
}

/** A constraint of somebody's, as a trigger. */
async function refuse(id: string): Promise<void> {
  await sql`delete from refused`;
  await sql`insert into refused values (${id})`;
}

describe("expire", () => {
  test("what is queued and overdue becomes EXPIRED, and who waits is told; the rest stays", async () => {
    const overdue = await seedOverdue(3);
    const [patient = ""] = await seedQueued(store);
    const [later = ""] = await seedQueued(store, 1, { queueTimeoutSeconds: 90 });
    await seedQueued(store, 1, { queueTimeoutSeconds: 300 });
    expect(await expire(store)).toEqual({ expired: 3, nextInSeconds: expect.closeTo(90, 0) });
    for (const id of overdue)
      expect(await readRow(sql, id)).toMatchObject({ state: "EXPIRED", finished_at: expect.any(Date), attempt: 0 });
    for (const id of [patient, later]) expect(await readRow(sql, id)).toMatchObject({ state: "QUEUED" });
    expect((await finished.take()).flatMap((ids) => ids.split(",")).sort()).toEqual(overdue.sort());
  });

  test("what is held isn't: its holder sees to it", async () => {
    const held = await seedOneRunning(store, await seedWorker(store), { queueTimeoutSeconds: 60 });
    await sql`update rayferry.ray_task_execution set expires_at = now() - interval '1 second'`;
    expect(await expire(store)).toEqual({ expired: 0, nextInSeconds: null });
    expect(await readRow(sql, held.id)).toMatchObject({ state: "RUNNING" });
  });

  test("the deadline counts from when it is due", async () => {
    const [id = ""] = await seedQueued(store, 1, { delaySeconds: 100, queueTimeoutSeconds: 60 });
    expect((await expire(store)).nextInSeconds).toBeCloseTo(160, 0);
    expect(await readRow(sql, id)).toMatchObject({ state: "QUEUED", ready: false });
  });

  test("1,100 in batches of 500, each told; several at once share them", async () => {
    await seedOverdue(1_100);
    expect(await expire(store)).toEqual({ expired: 500, nextInSeconds: 0 });
    const reports = await Promise.all([expire(store), expire(store), expire(store)]);
    expect(reports.reduce((sum, { expired }) => sum + expired, 0)).toBe(600);
    const told = (await finished.take()).flatMap((ids) => ids.split(","));
    expect(new Set(told).size).toBe(1_100);
  });

  test("only these, and all but those", async () => {
    const [a = "", b = "", c = ""] = await seedOverdue(3);
    expect((await readOverdue(store, [b])).sort()).toEqual([a, c].sort());
    expect(await expire(store, { only: [a, b], except: [a] })).toMatchObject({ expired: 1 });
    expect(await expire(store, { only: null, except: [c] })).toMatchObject({ expired: 1 });
    const states = await Promise.all([a, b, c].map(async (id) => (await readRow(sql, id))["state"]));
    expect(states).toEqual(["EXPIRED", "EXPIRED", "QUEUED"]);
  });

  test("of one that is being claimed, either wins", async () => {
    const seat = await seedWorker(store);
    await seedQueued(store, 40, { queueTimeoutSeconds: 60 });
    const request = { ...seat, queues: ["default"], limit: 20 };
    const [claimed] = await Promise.all([
      claim(store, request),
      sql`update rayferry.ray_task_execution set expires_at = now() where state = 'QUEUED'`.then(() => expire(store)),
    ]);
    await expire(store);
    const rows = await sql`select state, count(*)::int as n from rayferry.ray_task_execution group by state`;
    const counts = Object.fromEntries(rows.map((row) => [row["state"], row["n"]]));
    const expected = { RUNNING: claimed.length, EXPIRED: 40 - claimed.length };
    expect({ RUNNING: 0, EXPIRED: 0, ...counts }).toEqual(expected);
  });
});

describe("timely", () => {
  test("reading an overdue row expires it; with one that isn't, nothing is written", async () => {
    const [id = ""] = await seedOverdue();
    const [later = ""] = await seedQueued(store, 1, { queueTimeoutSeconds: 60 });
    const rows = await timely(store, () => readExecutions(store, [id, later]));
    expect(new Map(rows.map((row) => [row.id, row.state]))).toEqual(
      new Map([
        [id, "EXPIRED"],
        [later, "QUEUED"],
      ]),
    );
    expect(await finished.take()).toEqual([id]);
    expect((await timely(store, () => list(store, {}))).map((row) => row.state).sort()).toEqual(["EXPIRED", "QUEUED"]);
  });

  test("in a caller's transaction it is done with it, and what the caller writes later by hand is looked at", async () => {
    const [id = "", other = ""] = await seedOverdue(2);
    const client = postgres(url, { max: 1, onnotice: () => {} });
    const refused = await client
      .begin(async (tx) => {
        const [row] = await timely(within(store, tx), () => readExecutions(within(store, tx), [id]));
        expect(row?.state).toBe("EXPIRED");
        await tx`update rayferry.ray_task_execution set state = 'SUCCEEDED' where id = ${other}`;
      })
      .catch((error: unknown) => error);
    expect(refused).toMatchObject({ code: "RF002" });
    expect(await readRow(sql, id)).toMatchObject({ state: "QUEUED" });
    await client.end();
  });

  test("in a transaction that may only read, it is shown as it is", async () => {
    const [id = ""] = await seedOverdue();
    const client = postgres(url, { max: 1, onnotice: () => {} });
    await client.begin("read only", async (tx) => {
      const [row] = await timely(within(store, tx), () => readExecutions(within(store, tx), [id]));
      expect(row).toMatchObject({ state: "QUEUED", overdue: false });
    });
    await client.end();
  });

  test("a row that can't be written is answered as it is, and keeps no other", async () => {
    const [bad = "", ...good] = await seedOverdue(9);
    await refuse(bad);
    const rows = await timely(store, () => readExecutions(store, [bad, ...good]));
    expect(new Map(rows.map((row) => [row.id, row.state]))).toEqual(
      new Map([[bad, "QUEUED"], ...good.map((id) => [id, "EXPIRED"] as const)]),
    );
    const client = postgres(url, { max: 1, onnotice: () => {} });
    const connection = await client.reserve();
    const there = within(store, connection);
    expect(await timely(there, () => readExecutions(there, [bad]))).toMatchObject([{ state: "QUEUED" }]);
    connection.release();
    // A transaction is over by then, and says why.
    const inside = client.begin((tx) => timely(within(store, tx), () => readExecutions(within(store, tx), [bad])));
    await expect(inside).rejects.toThrow("nobody expires this");
    await client.end();
  });

  test("to who may only look it is shown as it is", async () => {
    const [id = ""] = await seedOverdue();
    await sql`create role looks`;
    await sql`grant usage on schema rayferry to looks`;
    await sql`grant select on all tables in schema rayferry to looks`;
    const client = postgres(url, { max: 1, connection: { role: "looks" } });
    const connection = await client.reserve();
    const there = within(store, connection);
    expect(await timely(there, () => readExecutions(there, [id]))).toMatchObject([{ id, state: "QUEUED" }]);
    connection.release();
    await client.end();
    await sql`drop owned by looks`;
    await sql`drop role looks`;
  });

  test("who waits for another isn't told of a row that can't be written", async () => {
    const [bad = "", good = ""] = await seedOverdue(2);
    await refuse(bad);
    const backend = new RayTaskBackend({ databaseUrl: url });
    const [one, other] = await Promise.all([backend.get(bad), backend.get(good)]);
    await sql`update rayferry.ray_task_execution set state = 'QUEUED', finished_at = null where id = ${good}`;
    const [refused, expired] = await Promise.allSettled([one.result({ timeout: 0.5 }), other.result({ timeout: 5 })]);
    expect(refused).toMatchObject({ reason: { code: "RESULT_TIMEOUT" } });
    expect(expired).toMatchObject({ reason: { code: "EXECUTION_EXPIRED" } });
    await backend.close();
  });
});
