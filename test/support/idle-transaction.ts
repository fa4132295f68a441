/** The proof that a transaction which somebody leaves open slows things down and stops nothing, for `idle-transaction.slow.test.ts` and `.long.test.ts`. */
import postgres from "postgres";
import { afterAll, expect, test } from "vitest";
import { stats } from "../../src/store/stats.ts";
import { openTestStore, seedWorker } from "./seed.ts";
import { median, runLoad } from "./store-load.ts";
import { waitFor } from "./wait-for.ts";

export interface IdleTimes {
  /** Seconds of the load without anybody. */
  readonly clean: number;
  /** Seconds for which the transactions are held. */
  readonly held: number;
  /** Executions a second that the load asks for; default: all it can. */
  readonly rate?: number;
}

/** As an analyst's session and an application's that forgot to commit leave them: the one has a snapshot, the other has written too. */
async function hold(url: string): Promise<() => Promise<void>> {
  const sql = postgres(url, { max: 2, onnotice: () => {} });
  const [reader, writer] = [await sql.reserve(), await sql.reserve()];
  await reader.unsafe("begin isolation level repeatable read; select count(*) from rayferry.ray_task_execution");
  await writer.unsafe(
    "begin; create temporary table written (n int); insert into written values (1); select txid_current()",
  );
  return async () => {
    await reader.unsafe("commit");
    await writer.unsafe("rollback");
    reader.release();
    writer.release();
    await sql.end();
  };
}

export async function testIdleTransaction({ clean, held, rate }: IdleTimes): Promise<void> {
  const { url, store, sql, close } = await openTestStore();
  afterAll(close);

  test(`idle in transaction for ${held} s under load - it goes on, drains, and claims cost what they cost before`, async () => {
    const seat = await seedWorker(store);
    await sql`update rayferry.task_worker_lease set expires_at = now() + interval '1 day' where id = ${seat.holder}`;
    await runLoad(store, seat, clean / 4, rate);
    const before = await runLoad(store, seat, clean, rate);
    const release = await hold(url);
    const during = await runLoad(store, seat, held, rate);
    // Everything that was enqueued has been completed, with the transactions still open.
    expect(await stats(store)).toMatchObject({ QUEUED: 0, RUNNING: 0 });
    await release();
    let after = await runLoad(store, seat, 1, rate);
    const bound = 3 * Math.max(median(before.claims), 5);
    const released = performance.now();
    await waitFor(
      "claims cost what they cost before",
      async () => {
        after = await runLoad(store, seat, 1, rate);
        return median(after.claims) <= bound;
      },
      120_000,
    );
    const tail = during.bySecond.slice(-Math.max(5, Math.floor(held / 10)));
    const share = (perSecond: number) =>
      `${Math.round(perSecond).toLocaleString("en")}/s (${(perSecond / before.perSecond).toFixed(2)} of clean)`;
    console.log(
      [
        `clean ${Math.round(before.perSecond).toLocaleString("en")}/s, a claim of 100 ${median(before.claims).toFixed(1)} ms`,
        `held ${held} s: ${share(during.perSecond)}, its last ${tail.length} s ${share(tail.reduce((sum, each) => sum + each, 0) / tail.length)}, a claim ${median(during.claims.slice(-50)).toFixed(1)} ms by then`,
        `released: after ${((performance.now() - released) / 1_000).toFixed(0)} s ${share(after.perSecond)}, a claim ${median(after.claims).toFixed(1)} ms`,
      ].join("\n"),
    );
    expect(during.bySecond.every((each) => each > 0)).toBe(true);
    expect(await stats(store)).toMatchObject({ QUEUED: 0, RUNNING: 0, FAILED: 0 });
  });
}
