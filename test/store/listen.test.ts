import { drizzle } from "drizzle-orm/node-postgres";
import postgres from "postgres";
import { afterAll, expect, test } from "vitest";
import { borrow, connect, type Store } from "../../src/store/connection.ts";
import { listen } from "../../src/store/listen.ts";
import { startProxy } from "../support/proxy.ts";
import { openTestStore } from "../support/seed.ts";
import { waitFor } from "../support/wait-for.ts";

const { url, sql, close } = await openTestStore();
afterAll(close);

const send = (channel: string, payload: string) => sql`select pg_notify(${channel}, ${payload})`;
const nothing = () => {};

/** Each verdict of the store's listener. */
function verdicts(store: Store): boolean[] {
  const said: boolean[] = [];
  store.listener?.onVerdict((works) => said.push(works));
  return said;
}

test("listen - after Postgres ends the connection: onConnect again, and notifications come again", async () => {
  const store = connect({ databaseUrl: url, applicationName: "listen-test" });
  const got: string[] = [];
  const said = verdicts(store);
  let connects = 0;
  const onConnect = () => {
    connects += 1;
  };
  const listening = await listen(store, "reconnecting", (payload) => got.push(payload), onConnect);
  expect(connects).toBe(1);
  await send("reconnecting", "before");
  await waitFor("the first notification", () => got.length === 1);
  await waitFor("the self-test to pass", () => store.listener?.works === true);
  await sql`select pg_terminate_backend(pid) from pg_stat_activity
    where application_name = 'listen-test' and datname = current_database()`;
  await waitFor("the subscription to be up again", () => connects === 2);
  await send("reconnecting", "after");
  await waitFor("the second notification", () => got.length === 2);
  expect(got).toEqual(["before", "after"]);
  expect(said).toEqual([true]);
  listening?.stop();
  await store.close();
});

test("listen - stop() ends one subscription and leaves the others", async () => {
  const store = connect({ databaseUrl: url });
  const one: string[] = [];
  const other: string[] = [];
  const first = await listen(store, "shared", (payload) => one.push(payload), nothing);
  await listen(store, "shared", (payload) => other.push(payload), nothing);
  await send("shared", "1");
  await waitFor("both to hear it", () => one.length === 1 && other.length === 1);
  first?.stop();
  await send("shared", "2");
  await waitFor("the other to hear it", () => other.length === 2);
  expect(one).toEqual(["1"]);
  await store.close();
});

test("listen - null through a driver that can't, and where the URL names a pooler", async () => {
  const db = drizzle(url);
  const store = borrow(db);
  expect(store.listener).toBeNull();
  expect(await listen(store, "any", nothing, nothing)).toBeNull();
  await db.$client.end();
  const pooled = connect({ databaseUrl: `${url}?prepare=false` });
  expect(pooled.listener).toBeNull();
  expect(connect({ databaseUrl: `${url}?prepare=false`, listenUrl: url }).listener).not.toBeNull();
});

/** LISTEN by way of a proxy, statements straight to Postgres. */
async function throughProxy(): Promise<{ store: Store; proxy: Awaited<ReturnType<typeof startProxy>> }> {
  const proxy = await startProxy(url);
  const times = { every: 100, patience: 300, again: 200 };
  return { proxy, store: connect({ databaseUrl: url, listenUrl: proxy.url, selfTest: times }) };
}

test("self-test - a connection that falls silent is found, who subscribed is told, and it is replaced", async () => {
  const { store, proxy } = await throughProxy();
  const said = verdicts(store);
  const got: string[] = [];
  let connects = 0;
  await listen(
    store,
    "silent",
    (payload) => got.push(payload),
    () => {
      connects += 1;
    },
  );
  await waitFor("the first self-test to pass", () => store.listener?.works === true);
  const before = connects;
  // What is open now passes nothing any more; a new connection does.
  proxy.freeze(true);
  await waitFor("the self-test to fail, and to pass through a new connection", () => said.length === 3);
  expect(said).toEqual([true, false, true]);
  expect(connects).toBeGreaterThanOrEqual(before + 2);
  await send("silent", "heard");
  await waitFor("a notification through the new connection", () => got.includes("heard"));
  await store.close();
  await proxy.close();
});

test("self-test - nobody there: says so once, goes on trying, and recovers by itself", async () => {
  const { store, proxy } = await throughProxy();
  const said = verdicts(store);
  await proxy.close();
  const got: string[] = [];
  await listen(store, "away", (payload) => got.push(payload), nothing);
  await waitFor("the self-test to fail", () => said.length === 1);
  const back = await startProxy(url, Number(new URL(proxy.url).port));
  await waitFor("the self-test to pass", () => said.length === 2, 10_000);
  expect(said).toEqual([false, true]);
  await send("away", "heard");
  await waitFor("a notification", () => got.length === 1);
  await store.close();
  await back.close();
});

test("self-test - through a postgres.js client of the caller's", async () => {
  const client = postgres(url, { max: 2, onnotice: nothing });
  const store = borrow(client);
  await listen(store, "borrowed", nothing, nothing);
  await waitFor("the self-test to pass", () => store.listener?.works === true);
  await client.end();
});
