import { drizzle } from "drizzle-orm/node-postgres";
import { afterAll, expect, test } from "vitest";
import { borrow, connect } from "../../src/store/connection.ts";
import { listen } from "../../src/store/listen.ts";
import { openTestStore } from "../support/seed.ts";
import { waitFor } from "../support/wait-for.ts";

const { url, sql, close } = await openTestStore();
afterAll(close);

const send = (channel: string, payload: string) => sql`select pg_notify(${channel}, ${payload})`;

test("listen - after Postgres ends the connection: onConnect again, and notifications come again", async () => {
  const store = connect({ databaseUrl: url, applicationName: "listen-test" });
  const got: string[] = [];
  let connects = 0;
  const onConnect = () => {
    connects += 1;
  };
  const listening = await listen(store, "reconnecting", (payload) => got.push(payload), onConnect);
  expect(connects).toBe(1);
  await send("reconnecting", "before");
  await waitFor("the first notification", () => got.length === 1);
  await sql`select pg_terminate_backend(pid) from pg_stat_activity
    where application_name = 'listen-test' and datname = current_database()`;
  await waitFor("the subscription to be up again", () => connects === 2);
  await send("reconnecting", "after");
  await waitFor("the second notification", () => got.length === 2);
  expect(got).toEqual(["before", "after"]);
  listening?.stop();
  await store.close();
});

test("listen - stop() ends one subscription and leaves the others", async () => {
  const store = connect({ databaseUrl: url });
  const one: string[] = [];
  const other: string[] = [];
  const nothing = () => {};
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

test("listen - null through a driver that can't", async () => {
  const db = drizzle(url);
  const store = borrow(db);
  expect(store.listener).toBeNull();
  const nothing = () => {};
  expect(await listen(store, "any", nothing, nothing)).toBeNull();
  await db.$client.end();
});
