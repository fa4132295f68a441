import { pino } from "pino";
import { afterAll, afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Store } from "../../src/store/connection.ts";
import { HeldAttempts } from "../../src/worker/held.ts";
import { Notes } from "../../src/worker/notes.ts";
import { openTestStore, readRow, type Seat, seedOneRunning, seedRunning, seedWorker } from "../support/seed.ts";
import { PLAIN_TERMS } from "../support/terms.ts";

const { store, sql, empty, close } = await openTestStore();
let seat: Seat;
let held: HeldAttempts;
let notes: Notes;
let now = 0;
let statements = 0;
const counted: Store = {
  ...store,
  query: (text, params) => {
    statements += 1;
    return store.query(text, params);
  },
};
afterAll(close);
beforeEach(async () => {
  await empty();
  seat = await seedWorker(store);
  held = new HeldAttempts();
  notes = new Notes(held, pino({ level: "silent" }));
  now = 1_000;
  statements = 0;
  vi.spyOn(performance, "now").mockImplementation(() => now);
});
afterEach(() => void vi.restoreAllMocks());

const rows = () => sql`select * from rayferry.execution_lease order by execution_id`;
const write = () => notes.write(counted, seat.holder);

async function hold() {
  const { id, fence } = await seedOneRunning(store, seat);
  return held.add(id, fence, "t.run", PLAIN_TERMS);
}

const run = { ray_task_id: "r1", node_id: "n1", worker_id: "w1", pid: 7, run_seconds: null, age_seconds: 0.5 };
const started = ({ id, fence }: { id: string; fence: number }) =>
  notes.started({ type: "started", execution: id, fence, run });
const progress = ({ id, fence }: { id: string; fence: number }, current: number) =>
  notes.progress({ type: "progress", execution: id, fence, current, total: 10, message: null });

test("Notes - what is held for less than a beat costs no statement", async () => {
  const attempt = await hold();
  started(attempt);
  progress(attempt, 1);
  now += 999;
  await write();
  expect(statements).toBe(0);
  held.drop(attempt.id, attempt.fence);
  now += 10_000;
  await write();
  expect([statements, await rows()]).toEqual([0, []]);
});

test("Notes - after a second its start is noted, after a beat it has a row; and nothing more while nothing changes", async () => {
  const attempt = await hold();
  started(attempt);
  now += 1_500;
  await write();
  expect(await readRow(sql, attempt.id)).toMatchObject({ pid: 7, started_at: expect.any(Date) });
  expect([await rows(), attempt.leased]).toEqual([[], false]);
  now += 500;
  await write();
  expect(await rows()).toMatchObject([{ phase: "RUNNING", pid: 7, progress_current: null }]);
  expect([statements, attempt.leased]).toEqual([2, true]);
  now += 60_000;
  await write();
  expect(statements).toBe(2);
});

test("Notes - a change of phase or progress is written, the newest one alone", async () => {
  const attempt = await hold();
  now += 2_000;
  await write();
  attempt.phase = "PENDING";
  await write();
  expect(await rows()).toMatchObject([{ phase: "PENDING", started_at: null }]);
  started(attempt);
  for (const current of [1, 2, 3]) progress(attempt, current);
  await write();
  expect(await rows()).toMatchObject([{ phase: "RUNNING", progress_current: 3, progress_total: 10 }]);
  expect(statements).toBe(3);
  await write();
  expect(statements).toBe(3);
});

test("Notes - what changes while it is being written is written the next time; what failed too", async () => {
  const attempt = await hold();
  now += 2_000;
  const query: Store["query"] = async (text, params) => {
    progress(attempt, 5);
    return await store.query(text, params);
  };
  await notes.write({ ...store, query }, seat.holder);
  expect(await rows()).toMatchObject([{ progress_current: null }]);
  const down = { ...store, query: () => Promise.reject(new Error("gone")) };
  await expect(notes.write(down, seat.holder)).rejects.toThrow("gone");
  await write();
  expect(await rows()).toMatchObject([{ progress_current: 5 }]);
});

test("Notes - 1,200 in batches; one that Postgres refuses stops no other, and isn't tried at each beat", async () => {
  const claimed = await seedRunning(store, seat, 1_200);
  for (const { id, fence } of claimed) held.add(id, fence, "t.run", PLAIN_TERMS);
  const poisoned = claimed[700]?.id ?? "";
  await sql.unsafe(`alter table rayferry.execution_lease add constraint poison check (execution_id <> '${poisoned}')`);
  now += 2_000;
  await write();
  const [count] = await sql`select count(*)::int as n from rayferry.execution_lease`;
  expect(count).toEqual({ n: 1_199 });
  const before = statements;
  now += 2_000;
  await write();
  expect(statements).toBe(before);
  await sql`alter table rayferry.execution_lease drop constraint poison`;
  now += 60_000;
  await write();
  expect(await rows()).toHaveLength(1_200);
});
