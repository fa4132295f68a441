import { drizzle as drizzleOnPg } from "drizzle-orm/node-postgres";
import { drizzle as drizzleOnPostgresJs } from "drizzle-orm/postgres-js";
import postgres from "postgres";
import { afterAll, beforeEach, describe, expect, test } from "vitest";
import { ConfigurationError } from "../../src/errors.ts";
import { encodePayload } from "../../src/payload.ts";
import { complete } from "../../src/store/complete.ts";
import { borrow, within } from "../../src/store/connection.ts";
import { enqueue } from "../../src/store/enqueue.ts";
import { list } from "../../src/store/list.ts";
import { Listener } from "../../src/store/listener.ts";
import type { CallerClient } from "../../src/store/queryable.ts";
import { readExecutions } from "../../src/store/read.ts";
import { collectNotifications } from "../support/notifications.ts";
import { claimAs, completion, newExecution, openTestStore, seedWorker } from "../support/seed.ts";

const { url, store, sql, empty, close } = await openTestStore();
const notifications = await collectNotifications(store, store.names.enqueuedChannel);
const client = postgres(url, { max: 2, onnotice: () => {} });
const onPostgresJs = drizzleOnPostgresJs(postgres(url, { max: 2, onnotice: () => {} }));
const onPg = drizzleOnPg(url);
await sql`create table orders (id text primary key)`;

afterAll(async () => {
  await Promise.all([client.end(), onPostgresJs.$client.end(), onPg.$client.end()]);
  await close();
});
beforeEach(async () => {
  await empty();
  await sql`truncate orders`;
  await notifications.take();
});

/** A transaction of the caller's: a statement of its own, then `body`. */
type InTransaction = (statement: string, body: (tx: CallerClient) => Promise<void>) => Promise<unknown>;

const DRIVERS: [name: string, client: CallerClient, inTransaction: InTransaction][] = [
  [
    "postgres.js",
    client,
    (statement, body) =>
      client.begin(async (tx) => {
        await tx.unsafe(statement);
        await body(tx);
      }),
  ],
  [
    "drizzle on postgres.js",
    onPostgresJs,
    (statement, body) =>
      onPostgresJs.transaction(async (tx) => {
        await tx.execute(statement);
        await body(tx);
      }),
  ],
  [
    "drizzle on node-postgres",
    onPg,
    (statement, body) =>
      onPg.transaction(async (tx) => {
        await tx.execute(statement);
        await body(tx);
      }),
  ],
];

describe.each(DRIVERS)("%s", (_name, caller, inTransaction) => {
  test("enqueue commits with the caller's row, and wakes the workers only then", async () => {
    const execution = newExecution({ queue: "mine" });
    await inTransaction("insert into orders values ('one')", async (tx) => {
      await enqueue(within(store, tx), [execution], true);
      expect(await sql`select from rayferry.ray_task_execution`).toHaveLength(0);
      expect(await notifications.take()).toEqual([]);
    });
    expect(await sql`select from orders`).toHaveLength(1);
    expect(await sql`select id from rayferry.ray_task_execution`).toEqual([{ id: execution.id }]);
    expect(await notifications.take()).toEqual(["mine"]);
  });

  test("enqueue rolls back with the caller's row, and nobody is woken", async () => {
    const rolledBack = inTransaction("insert into orders values ('one')", async (tx) => {
      await enqueue(within(store, tx), [newExecution()], true);
      throw new Error("the order was no good");
    });
    await expect(rolledBack).rejects.toThrow("the order was no good");
    expect(await sql`select from orders`).toHaveLength(0);
    expect(await sql`select from rayferry.ray_task_execution`).toHaveLength(0);
    expect(await notifications.take()).toEqual([]);
  });

  test("a whole life through the caller's client: text, quotes, dollars, dates and bytes come through", async () => {
    const borrowed = borrow(caller);
    const awkward = { text: `it's $1 and "$2" ? :x \\ ☃`, list: [null, 1.5] };
    const bytes = encodePayload({ raw: new Uint8Array([0, 1, 255]), when: new Date(5) });
    const runAt = new Date("2026-01-02T03:04:05.678Z");
    const json = newExecution({ input: encodePayload(awkward), metadata: awkward, tags: ["$1", "'"], runAt });
    const binary = newExecution({ input: bytes });
    await enqueue(borrowed, [json, binary], false);
    const seat = await seedWorker(borrowed);
    const claimed = await claimAs(borrowed, seat);
    expect(claimed.map((each) => each.id)).toEqual([json.id, binary.id]);
    expect(JSON.parse(Buffer.from(claimed[0]?.input ?? []).toString())).toEqual(awkward);
    expect(new Uint8Array(claimed[1]?.input ?? [])).toEqual(bytes.bytes);
    const results = [Buffer.from(JSON.stringify(awkward)), bytes.bytes];
    const types = ["application/json", "application/msgpack"];
    const completions = claimed.map((each, n) =>
      completion(each, { value: results[n] ?? null, contentType: types[n] ?? null }),
    );
    expect(await complete(borrowed, seat.holder, completions)).toEqual(new Set([json.id, binary.id]));
    const [row] = await readExecutions(borrowed, [json.id]);
    expect(row).toMatchObject({ state: "SUCCEEDED", metadata: awkward, tags: ["$1", "'"] });
    expect(new Date(row?.run_at ?? 0)).toEqual(runAt);
    expect(JSON.parse(row?.result_json ?? "")).toEqual(awkward);
    expect(await list(borrowed, { queue: "default" })).toHaveLength(2);
  });

  test("close() leaves the caller's client open", async () => {
    const borrowed = borrow(caller);
    await borrowed.close();
    expect(await list(borrowed, {})).toEqual([]);
  });
});

test.each([[{}], [null], [undefined], ["postgres://h/d"], [{ query: () => {} }]])(
  "borrow - %j is no client",
  (given) => {
    expect(() => borrow(given as never)).toThrow(ConfigurationError);
    expect(() => borrow(given as never)).toThrow("client must be a postgres.js client or transaction");
  },
);

test("borrow - notifications come through postgres.js, also below drizzle; not through node-postgres", () => {
  expect(borrow(client).listener).toBeInstanceOf(Listener);
  expect(borrow(client).listener).toBe(borrow(client).listener);
  expect(borrow(onPostgresJs).listener).toBe(borrow(onPostgresJs.$client).listener);
  expect(borrow(onPg).listener).toBeNull();
});
