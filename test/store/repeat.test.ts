import postgres from "postgres";
import { afterAll, beforeEach, expect, test } from "vitest";
import { RayTaskBackend } from "../../src/index.ts";
import { cancel } from "../../src/store/cancel.ts";
import { connect, type Store, within } from "../../src/store/connection.ts";
import { isTransient } from "../../src/store/database-error.ts";
import { enqueue } from "../../src/store/enqueue.ts";
import { readExecutions } from "../../src/store/read.ts";
import { repeating } from "../../src/store/repeat.ts";
import { newExecution, openTestStore, seedQueued } from "../support/seed.ts";
import { waitFor } from "../support/wait-for.ts";

const { url, store, sql, empty, close } = await openTestStore();
afterAll(close);
beforeEach(empty);

/** The same store, and how many statements it was given. */
function counted(of: Store): Store & { tries: number } {
  const counting = {
    ...of,
    tries: 0,
    query(text: string, params: readonly (string | null)[]) {
      counting.tries += 1;
      return of.query(text, params);
    },
  };
  return counting;
}

test("lock_timeout - a statement that waits for a lock fails in time, and is repeated until it has it", async () => {
  const [id = ""] = await seedQueued(store);
  const there = connect({ databaseUrl: url, lockTimeout: 100 });
  const holder = await sql.reserve();
  await holder`begin`;
  await holder`select from rayferry.ray_task_execution where id = ${id} for update`;
  const error = await cancel(there, id, null).catch((each: unknown) => each);
  expect(String(error)).toMatch(/55P03: somebody else holds a lock\)$/);
  expect(isTransient(error)).toBe(true);
  const counting = counted(there);
  const cancelled = cancel(repeating(counting), id, null);
  await waitFor("the second try", () => counting.tries === 2).finally(async () => {
    await holder`commit`;
    holder.release();
  });
  expect(await cancelled).toMatchObject({ before: "QUEUED", after: "CANCELLED" });
  await there.close();
});

test("statement_timeout - Postgres ends what takes too long; a parameter in the URL wins", async () => {
  const there = connect({ databaseUrl: url, statementTimeout: 50 });
  const error = await there.query("select pg_sleep(5)", []).catch((each: unknown) => each);
  expect(String(error)).toContain("57014");
  const patient = connect({ databaseUrl: `${url}?statement_timeout=7000`, statementTimeout: 50 });
  expect(await patient.query("show statement_timeout", [])).toEqual([{ statement_timeout: "7s" }]);
  await Promise.all([there.close(), patient.close()]);
});

test("own connections - carry the guards; behind a pooler nothing is sent and nothing stays prepared", async () => {
  const guards = `select current_setting('lock_timeout') as lock, current_setting('idle_in_transaction_session_timeout') as idle,
    (select count(*)::int from pg_prepared_statements where $1::text is not null) as prepared`;
  expect(await store.query(guards, ["x"])).toEqual([{ lock: "2s", idle: "10s", prepared: expect.any(Number) }]);
  const pooled = connect({ databaseUrl: `${url}?prepare=false`, max: 1 });
  for (const _again of [1, 2])
    expect(await pooled.query(guards, ["x"])).toEqual([{ lock: "0", idle: "0", prepared: 0 }]);
  await pooled.close();
});

test("a server that became read-only - new connections are opened, and the enqueue gets through", async () => {
  const database = new URL(url).pathname.slice(1);
  const admin = postgres(url, { max: 1, onnotice: () => {} });
  await admin`alter database ${admin(database)} set default_transaction_read_only = on`;
  const there = connect({ databaseUrl: url, max: 1 });
  const execution = newExecution();
  const error = await enqueue(there, [execution], false).catch((each: unknown) => each);
  expect(String(error)).toContain("25006: the server is read-only, as in a failover");
  // A connection keeps what it was opened with.
  const written = enqueue(repeating(there), [execution], false);
  await admin.unsafe("set default_transaction_read_only = off");
  await admin`alter database ${admin(database)} reset default_transaction_read_only`;
  expect((await written).map((row) => row.written)).toEqual([true]);
  await Promise.all([there.close(), admin.end()]);
});

test("pg_terminate_backend under load - every enqueue gets through, once, and every wait ends", async () => {
  const backend = new RayTaskBackend({ databaseUrl: url });
  const ids = Array.from({ length: 300 }, () => newExecution().id);
  let going = true;
  let killed = 0;
  const killing = (async () => {
    while (going) {
      const ended = await sql`select pg_terminate_backend(pid) from pg_stat_activity
        where datname = current_database() and application_name = 'rayferry' and query like '%ray_task_execution%' and random() < 0.3`;
      killed += ended.length;
      await new Promise((resolve) => setTimeout(resolve, 150));
    }
  })();
  for (let at = 0; at < ids.length; at += 10)
    await Promise.all(ids.slice(at, at + 10).map((id) => backend.enqueue("t.run", {}, { id })));
  await waitFor("some connections to be ended", () => killed > 3);
  going = false;
  await killing;
  expect((await readExecutions(store, ids)).length).toBe(ids.length);
  await backend.close();
});

test("what can't be repeated isn't: content, and a caller's transaction", async () => {
  const counting = counted(store);
  await expect(repeating(counting).query("select 1/0", [])).rejects.toThrow("22012");
  expect(counting.tries).toBe(1);
  await sql
    .begin(async (tx) => {
      const inside = within(store, tx);
      expect(repeating(inside)).toBe(inside);
      throw new Error("rolled back");
    })
    .catch(() => {});
});
