/**
 * Every verb, over the same few rows, from many connections at once: none may wait for another in a circle. The order that they keep is in
 * docs/decisions/0005-durable-core.md; 50 ms after two wait for each other, Postgres ends one, and counts it.
 */
import postgres from "postgres";
import { afterAll, expect, test } from "vitest";
import { RayferryError } from "../../src/errors.ts";
import { connect } from "../../src/store/connection.ts";
import { any, everyVerb } from "../support/every-verb.ts";
import { openTestStore, type Seat, seedWorker } from "../support/seed.ts";

const SECONDS = 5;
const CONNECTIONS = 24;
const SEATS = 6;

const { url, store: calm, sql, close } = await openTestStore();
const database = new URL(url).pathname.slice(1);
await sql`alter database ${sql(database)} set deadlock_timeout = '50ms'`;
const store = connect({ databaseUrl: url, max: CONNECTIONS });
afterAll(async () => {
  await store.close();
  await close();
});

test("every verb at once over the same rows - no deadlock", async () => {
  const seats: Seat[] = [];
  for (let n = 0; n < SEATS; n += 1) seats.push(await seedWorker(calm, { outlives: true }));
  const failures: string[] = [];
  const done = new Map<string, number>();
  const until = performance.now() + SECONDS * 1000;
  const verbs = everyVerb({ store, sql, seats });

  const hammer = async (): Promise<void> => {
    while (performance.now() < until) {
      const verb = any(Object.keys(verbs));
      try {
        await verbs[verb]?.(any(seats));
        done.set(verb, (done.get(verb) ?? 0) + 1);
      } catch (error) {
        const cause = error instanceof RayferryError ? error.cause : error;
        const detail = cause instanceof postgres.PostgresError ? (cause.detail ?? "") : "";
        failures.push(`${verb}: ${error} ${detail}`);
      }
    }
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, hammer));

  // A seat that died between two steps of another is no failure of the order.
  expect(failures.filter((each) => !each.includes("WorkerError"))).toEqual([]);
  expect(Object.keys(verbs).filter((verb) => (done.get(verb) ?? 0) < 5)).toEqual([]);
  const [row] = await sql`select deadlocks::int from pg_stat_database where datname = ${database}`;
  expect(row?.["deadlocks"]).toBe(0);
}, 60_000);
