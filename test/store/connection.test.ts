import { afterAll, expect, test } from "vitest";
import { DatabaseUnreachableError } from "../../src/errors.ts";
import { connect } from "../../src/store/connection.ts";
import { isTransient } from "../../src/store/database-error.ts";
import { startProxy } from "../support/proxy.ts";
import { openTestStore } from "../support/seed.ts";

const { url, sql, close } = await openTestStore();
afterAll(close);

test("connect - a connection that falls silent fails its statement in time, and may be tried again", async () => {
  const proxy = await startProxy(url);
  const store = connect({ databaseUrl: proxy.url, max: 1, silentAfter: 300 });
  expect(await store.query("select 1 as one", [])).toEqual([{ one: 1 }]);
  proxy.freeze(true);
  const begun = performance.now();
  const error = await store.query("select 2 as two", []).catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(DatabaseUnreachableError);
  expect(isTransient(error)).toBe(true);
  expect(performance.now() - begun).toBeLessThan(3_000);
  // The old connection is as silent as before: the driver would queue behind the statement that hangs there.
  expect(await store.query("select 3 as three", [])).toEqual([{ three: 3 }]);
  await proxy.close();
  await store.close();
});

test("connect - read committed, whatever the database asks for", async () => {
  const database = new URL(url).pathname.slice(1);
  await sql`alter database ${sql(database)} set default_transaction_isolation = 'serializable'`;
  const store = connect({ databaseUrl: url, max: 1 });
  expect(await store.query("show transaction_isolation", [])).toEqual([{ transaction_isolation: "read committed" }]);
  await store.close();
});

test("connect - a statement that only waited for others fails, and takes no connection from them", async () => {
  const store = connect({ databaseUrl: url, max: 1, silentAfter: 500 });
  const pidOf = async () => (await store.query("select pg_backend_pid() as pid", []))[0]?.["pid"];
  const pid = await pidOf();
  const sleeps = [1, 2, 3].map(() => store.query("select pg_sleep(0.3)", []).then(() => "answered"));
  const outcomes = await Promise.allSettled(sleeps);
  expect(outcomes.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "rejected"]);
  expect(await pidOf()).toBe(pid);
  await store.close();
});

test("connect - where nobody is answered, those that wait are no excuse: the connections are replaced", async () => {
  const proxy = await startProxy(url);
  const store = connect({ databaseUrl: proxy.url, max: 1, silentAfter: 300 });
  await store.query("select 1", []);
  proxy.freeze(true);
  const asked = [1, 2, 3].map(() => store.query("select 1", []));
  expect((await Promise.allSettled(asked)).map(({ status }) => status)).toEqual(Array(3).fill("rejected"));
  // Only the connections that were there are frozen.
  expect(await store.query("select 1 as one", [])).toEqual([{ one: 1 }]);
  await store.close();
  await proxy.close();
});
