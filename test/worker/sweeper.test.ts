import { pino } from "pino";
import { afterAll, afterEach, beforeEach, describe, expect, test } from "vitest";
import { Sweeper, type SweeperOptions } from "../../src/worker/sweeper.ts";
import { openTestStore, readRow, seedQueued, seedRunning, seedWorker } from "../support/seed.ts";
import { waitFor } from "../support/wait-for.ts";

const { store, sql, empty, close } = await openTestStore();
const running: Sweeper[] = [];
let troubles: string[] = [];
afterAll(close);
beforeEach(async () => {
  await empty();
  troubles = [];
});
afterEach(async () => {
  await Promise.all(running.splice(0).map((each) => each.stop()));
  await sql`drop trigger if exists poison on rayferry.ray_task_execution`;
});

function sweeper(options: Partial<SweeperOptions> = {}): Sweeper {
  const made = new Sweeper({
    store,
    leads: () => true,
    logger: pino({ level: "silent" }),
    onTrouble: (sentence) => troubles.push(sentence),
    onError: (error) => expect.fail(String(error)),
    ...options,
  });
  running.push(made);
  return made;
}

/** From now on, Postgres refuses to write this execution: by a trigger of somebody's. */
async function poison(id: string): Promise<void> {
  await sql.unsafe(`create or replace function rayferry.poison() returns trigger language plpgsql as
    $$ begin if new.id = '${id}' then raise exception 'not this one'; end if; return new; end $$`);
  await sql`create trigger poison before update on rayferry.ray_task_execution for each row execute function rayferry.poison()`;
}

const overdue = { queueTimeoutSeconds: 60, queue: "q" };

test("Sweeper - goes on at once while there may be more of a dead server to requeue", async () => {
  const seat = await seedWorker(store);
  await seedRunning(store, seat, 501);
  await sql`update rayferry.task_sidecar set ended_at = now() - interval '6 seconds'`;
  const one = sweeper();
  expect(await one.runOnce()).toBe(0);
  expect(await one.runOnce()).toBeGreaterThan(100);
  const [left] = await sql`select count(*)::int as n from rayferry.ray_task_execution where state = 'RUNNING'`;
  expect(left).toEqual({ n: 0 });
});

test("Sweeper - does nothing while another leads, and everything at once when it takes the lead", async () => {
  const [due = ""] = await seedQueued(store, 1, { delaySeconds: 60 });
  const [late = ""] = await seedQueued(store, 1, overdue);
  await sql`update rayferry.ray_task_execution set run_at = now() where id = ${due}`;
  await sql`update rayferry.ray_task_execution set expires_at = now() where id = ${late}`;
  let leads = false;
  const asked: number[] = [];
  const one = sweeper({
    leads: () => {
      asked.push(performance.now());
      return leads;
    },
  });
  one.start();
  await waitFor("every loop has asked", () => asked.length === 4);
  one.wake();
  await waitFor("it was woken", () => asked.length > 4);
  expect(await readRow(sql, due)).toMatchObject({ ready: false });
  leads = true;
  one.takeOver();
  await waitFor("it is promoted", async () => (await readRow(sql, due))["ready"] === true, 1_000);
  await waitFor("it is expired", async () => (await readRow(sql, late))["state"] === "EXPIRED", 1_000);
});

describe("Sweeper - a row that Postgres refuses to write", () => {
  test("promote - the others become ready; it is told once, and left alone", async () => {
    const ids = await seedQueued(store, 50, { delaySeconds: 60 });
    await sql`update rayferry.ray_task_execution set run_at = now() - interval '1 second'`;
    const poisoned = ids[17] ?? "";
    await poison(poisoned);
    const one = sweeper();
    await one.runOnce();
    const stuck = await sql`select id from rayferry.ray_task_execution where not ready`;
    expect(stuck).toEqual([{ id: poisoned }]);
    expect(troubles).toEqual([expect.stringContaining(`Postgres refuses to promote execution ${poisoned}`)]);
    expect(troubles[0]).toContain("not this one");
    const [more = ""] = await seedQueued(store, 1, { delaySeconds: 60 });
    await sql`update rayferry.ray_task_execution set run_at = now() where id = ${more}`;
    await one.runOnce();
    expect(await readRow(sql, more)).toMatchObject({ ready: true });
    expect(troubles).toHaveLength(1);
  });

  test("expire - by a CHECK of somebody's, several of them", async () => {
    const ids = await seedQueued(store, 20, overdue);
    const poisoned = [ids[0] ?? "", ids[19] ?? ""];
    await sql.unsafe(`alter table rayferry.ray_task_execution add constraint poison check (state <> 'EXPIRED' or
      id not in ('${poisoned.join("', '")}'))`);
    await sql`update rayferry.ray_task_execution set expires_at = now()`;
    await sweeper().runOnce();
    const left = await sql`select id from rayferry.ray_task_execution where state = 'QUEUED'`;
    expect(left.map((row) => row["id"]).sort()).toEqual(poisoned.sort());
    expect(troubles).toEqual([expect.stringContaining("Postgres refuses to expire 2 executions")]);
    await sql`alter table rayferry.ray_task_execution drop constraint poison`;
    // Another worker that takes the lead knows nothing of it, and tries.
    await sweeper().runOnce();
    expect(await sql`select from rayferry.ray_task_execution where state = 'QUEUED'`).toHaveLength(0);
  });

  test("rescue - the others are requeued, and its server isn't taken for empty", async () => {
    const seat = await seedWorker(store);
    const held = await seedRunning(store, seat, 30);
    await sql`update rayferry.task_sidecar set ended_at = now() - interval '2 minutes'`;
    const poisoned = held[11]?.id ?? "";
    await poison(poisoned);
    const one = sweeper();
    await one.runOnce();
    await one.runOnce();
    const left = await sql`select id from rayferry.ray_task_execution where state = 'RUNNING'`;
    expect(left).toEqual([{ id: poisoned }]);
    expect(await sql`select emptied_at from rayferry.task_sidecar`).toEqual([{ emptied_at: null }]);
    expect(troubles).toEqual([expect.stringContaining(`refuses to rescue execution ${poisoned}`)]);
  });

  test("what isn't a row's fault sets nothing aside", async () => {
    await seedQueued(store, 3, overdue);
    await sql`update rayferry.ray_task_execution set expires_at = now()`;
    let isDown = true;
    const query: typeof store.query = async (text, params) => {
      if (isDown) throw Object.assign(new Error("the disk is full"), { code: "53100" });
      return await store.query(text, params);
    };
    const one = sweeper({ store: { ...store, query } });
    await expect(one.runOnce()).rejects.toThrow("the disk is full");
    isDown = false;
    await one.runOnce();
    expect(await sql`select from rayferry.ray_task_execution where state = 'EXPIRED'`).toHaveLength(3);
    expect(troubles).toEqual([]);
  });
});
