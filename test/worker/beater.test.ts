import { afterAll, expect, test } from "vitest";
import { connect } from "../../src/store/connection.ts";
import { BEAT, BEAT_LIMITS, Beater } from "../../src/worker/beater.ts";
import { leaseFacts } from "../support/lease-facts.ts";
import { openTestStore, seedWorker } from "../support/seed.ts";
import { waitFor } from "../support/wait-for.ts";

const { url, store, sql, close } = await openTestStore();
afterAll(close);

test("Beater - somebody holds a lock on its lease: it fails in time, and is tried again within the lease", async () => {
  expect(BEAT + BEAT_LIMITS.silentAfter).toBeLessThan(5_500);
  const { holder } = await seedWorker(store);
  const there = connect({ databaseUrl: url, ...BEAT_LIMITS, lockTimeout: 150 });
  const errors: string[] = [];
  let renewed = 0;
  const beater = new Beater({
    store: there,
    holder,
    servers: () => [],
    facts: () => leaseFacts(),
    onRenewed: () => {
      renewed += 1;
    },
    onLeaseLost: (why) => errors.push(why),
    onError: (error) => errors.push(String(error)),
  });
  const somebody = await sql.reserve();
  await somebody`begin`;
  await somebody`select from rayferry.task_worker_lease where id = ${holder} for update`;
  beater.start();
  await waitFor("a beat to fail", () => errors.length > 0);
  expect(errors[0]).toContain("55P03: somebody else holds a lock");
  await somebody`commit`;
  somebody.release();
  await waitFor("a beat to get through", () => renewed > 0);
  expect(errors.filter((each) => each.includes("ran out"))).toEqual([]);
  await beater.stop();
  await there.close();
});
