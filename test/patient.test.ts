/** Verbs of a backend's own connections that ride over a failure which passes. */
import { afterAll, beforeEach, expect, test } from "vitest";
import { RayTaskBackend } from "../src/index.ts";
import { openTestStore, type Seat, seedQueued, seedWorker } from "./support/seed.ts";

const { url, store, sql, close } = await openTestStore();
const backend = new RayTaskBackend({ databaseUrl: url });
let seat: Seat;
afterAll(async () => {
  await backend.close();
  await close();
});

// The first statement that meets it fails as if another transaction had come first: a sequence isn't rolled back.
await sql`create sequence public.faults`;
await sql`create function public.fail_once() returns boolean language plpgsql volatile as $$ begin
  if nextval('public.faults') = 1 then raise exception 'once' using errcode = '40001'; end if;
  return true; end $$`;
await sql`create function public.fail_write_once() returns trigger language plpgsql as $$ begin perform public.fail_once(); return null; end $$`;
await sql`alter table rayferry.task_queue rename to kept_queue`;
await sql`create view rayferry.task_queue as select * from rayferry.kept_queue where public.fail_once()`;
await sql`insert into rayferry.kept_queue (name, paused_at) values ('paused', now())`;

beforeEach(async () => {
  // Not empty(), which would meet the fault of the queues, and take the paused one.
  await sql`truncate rayferry.ray_task_execution, rayferry.task_worker_lease cascade`;
  seat = await seedWorker(store);
  await seedQueued(store, 3);
  for (const table of ["task_worker_lease", "ray_task_execution"])
    await sql`create or replace trigger fails after update on rayferry.${sql(table)} execute function public.fail_write_once()`;
  await sql`alter sequence public.faults restart`;
});

test.each<[string, () => Promise<unknown>, unknown]>([
  ["queues", async () => (await backend.queues()).map(({ name }) => name), ["default", "paused"]],
  ["drain", async () => (await backend.drain(seat.worker, { timeout: 0 })).left, 0],
  ["cancelMany", () => backend.cancelMany({ all: true }), { cancelled: 3, cancelling: 0 }],
])("%s - is tried again", async (_verb, act, answer) => {
  expect(await act()).toEqual(answer);
  const [row] = await sql`select last_value::int as met from public.faults`;
  expect(row?.["met"]).toBeGreaterThan(1);
});
