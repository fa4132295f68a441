/** The proof that no verb's cost grows with the backlog, for `plans.slow.test.ts` and, at the full size, `plans.long.test.ts`. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { beat } from "../../src/store/beat.ts";
import { cancel } from "../../src/store/cancel.ts";
import { type CancelTarget, cancelBatch, countCancellable, readCancellable } from "../../src/store/cancel-many.ts";
import { type ClaimedExecution, claim } from "../../src/store/claim.ts";
import { complete } from "../../src/store/complete.ts";
import type { Store } from "../../src/store/connection.ts";
import { expire, readOverdue } from "../../src/store/expire.ts";
import { type ListFilter, list } from "../../src/store/list.ts";
import { promote } from "../../src/store/promote.ts";
import { type Keep, PRUNE_BATCH, prune } from "../../src/store/prune.ts";
import { readExecutions } from "../../src/store/read.ts";
import { requeue } from "../../src/store/requeue.ts";
import { rescue } from "../../src/store/rescue.ts";
import { counts } from "../../src/store/stats.ts";
import { type Backlog, writeBacklog } from "./backlog.ts";
import { explain } from "./explain.ts";
import { leaseFacts } from "./lease-facts.ts";
import { claimAs, completion, openTestStore, type Seat, seedQueued, seedWorker, taskError } from "./seed.ts";

const QUEUES = Array.from({ length: 8 }, (_, n) => `q${n}`);
const DAY = 86_400;
const KEEP: Keep = { SUCCEEDED: 7 * DAY, FAILED: 30 * DAY, CANCELLED: 7 * DAY, EXPIRED: 7 * DAY, LOST: 30 * DAY };
/** (queue, task) pairs of the backlog: 40 and the rare one. */
const GROUPS = 41;
const HELD = 500;

const index = (name: string) => `ray_task_execution_${name}`;

/** What a verb may read, and how many rows of it. */
interface Case {
  readonly verb: string;
  readonly run: (store: Store) => Promise<unknown>;
  readonly by: readonly string[];
  readonly rows: number;
}

export async function testPlans(backlog: Backlog): Promise<void> {
  const { store, sql, close } = await openTestStore();
  afterAll(close);
  let seat: Seat;
  let held: readonly ClaimedExecution[] = [];
  let scheduled = "";

  beforeAll(async () => {
    await writeBacklog(sql, backlog);
    seat = await seedWorker(store);
    held = await claimAs(store, seat, HELD, QUEUES);
    [scheduled = ""] = await seedQueued(store, 1, { queue: "q1", delaySeconds: 3_600 });
    const dead = await seedWorker(store);
    await claimAs(store, dead, 20, QUEUES);
    await sql`update rayferry.task_sidecar set ended_at = now() - interval '6 seconds' where id = ${dead.server}`;
    await sql`update rayferry.task_worker_lease set expires_at = now() + interval '1 day' where id = ${seat.holder}`;
    await sql`analyze rayferry.task_sidecar, rayferry.task_worker_lease, rayferry.task_count`;
  }, 1_200_000);

  const lists = (what: string, filter: ListFilter, by: readonly string[], rows: number): Case => ({
    verb: `list ${what}`,
    run: (on) => list(on, filter),
    by: by.map((each) => (each === "pkey" ? index("pkey") : index(each))),
    rows,
  });
  const page = 50;
  // Where most of a small table is queued, Postgres rightly reads all of it.
  const whole = backlog.ready > 100_000 ? [] : ["Seq Scan"];
  const all: CancelTarget = { states: ["QUEUED", "RUNNING"] };
  // All that is live is found in its own rows, not by the index alone: where most are live, by reading the table.
  const wholeLive = backlog.ready + backlog.later > backlog.finished ? ["Seq Scan"] : [];
  const live = 2 * (backlog.ready + backlog.later) + (wholeLive.length === 0 ? 0 : backlog.finished) + 3 * HELD;
  const cases: readonly Case[] = [
    {
      verb: "claim 500",
      run: (on) => claim(on, { ...seat, queues: QUEUES, limit: 500 }),
      by: [index("claim"), index("pkey")],
      rows: 8 * 500 + 2 * 500,
    },
    {
      verb: "claim 10",
      run: (on) => claim(on, { ...seat, queues: QUEUES, limit: 10 }),
      by: [index("claim"), index("pkey")],
      rows: 8 * 10 + 2 * 10,
    },
    {
      verb: "complete 500",
      run: (on) =>
        complete(
          on,
          seat.holder,
          held.map((each) => completion(each)),
        ),
      by: [index("pkey")],
      rows: 2 * HELD,
    },
    {
      verb: "requeue 500",
      run: (on) =>
        requeue(
          on,
          seat.holder,
          held.map(({ id, fence }) => ({ id, fence, error: taskError() })),
        ),
      by: [index("pkey")],
      rows: 3 * HELD,
    },
    { verb: "promote", run: (on) => promote(on), by: [index("due"), index("pkey")], rows: 2_001 },
    { verb: "expire", run: (on) => expire(on), by: [index("expiry"), index("pkey")], rows: 1_001 },
    { verb: "what expires next", run: (on) => readOverdue(on, []), by: [index("expiry")], rows: 500 },
    { verb: "rescue", run: (on) => rescue(on), by: [index("held"), index("pkey")], rows: 2 * (HELD + 20) },
    {
      verb: "beat",
      run: (on) => beat(on, seat.holder, leaseFacts(), [seat.server], [{ server: seat.server, seconds: 8 }]),
      by: [index("held")],
      rows: 3 * HELD,
    },
    { verb: "cancel", run: (on) => cancel(on, scheduled, null), by: [index("pkey")], rows: 4 },
    {
      verb: "cancelMany, 500",
      run: (on) => cancelBatch(on, { ...all, ids: held.map(({ id }) => id) }, null),
      by: [index("pkey")],
      rows: 2 * HELD,
    },
    {
      verb: "cancelMany, which",
      run: (on) => readCancellable(on, all, null),
      by: [index("queued"), index("held"), ...wholeLive],
      rows: live,
    },
    {
      verb: "cancelMany, which of a queue",
      run: (on) => readCancellable(on, { ...all, queue: "rare" }, scheduled),
      // By id too, where few are left; `held` has an entry for each version of a row until it is vacuumed.
      by: [index("queued"), index("held"), index("pkey")],
      rows: 5 + 5 * (HELD + 20),
    },
    {
      verb: "cancelMany, how many",
      run: (on) => countCancellable(on, all),
      by: [index("queued"), index("held"), ...wholeLive],
      rows: live,
    },
    { verb: "prune", run: (on) => prune(on, KEEP, null), by: [index("ended"), index("pkey")], rows: 2 * PRUNE_BATCH },
    {
      verb: "prune, further on",
      run: (on) => prune(on, KEEP, { queue: "q3", task: "t.3", state: "SUCCEEDED", seq: "1000" }),
      by: [index("ended"), index("pkey")],
      rows: 2 * PRUNE_BATCH,
    },
    {
      verb: "read",
      run: (on) =>
        readExecutions(
          on,
          held.slice(0, 10).map(({ id }) => id),
        ),
      by: [index("pkey")],
      rows: 10,
    },
    lists("everything", {}, ["seq", "pkey"], 2 * page + 1),
    {
      verb: "list, the next page",
      run: (on) => list(on, { after: scheduled }),
      by: [index("seq"), index("pkey")],
      rows: 2 * page + 2,
    },
    lists("QUEUED", { state: "QUEUED" }, ["queued", "pkey"], GROUPS * 3 + page * (page + 2)),
    lists("RUNNING", { state: "RUNNING" }, ["held", "pkey"], HELD + 20 + 3 * page),
    lists("SUCCEEDED", { state: "SUCCEEDED" }, ["ended", "pkey"], GROUPS * 3 + page * (page + 2)),
    lists("FAILED", { state: "FAILED" }, ["ended", "pkey"], GROUPS * 3 + page * 2),
    lists("one queue", { queue: "q1" }, ["queued", "held", "ended", "pkey"], 8 * GROUPS + 2 * page * (page + 2) + HELD),
    lists("a rare queue", { queue: "rare" }, ["queued", "held", "ended", "pkey"], HELD + 20 + 60 + 2 * page),
    lists("one task", { task: "t.1" }, ["queued", "held", "ended", "pkey"], 8 * GROUPS + 2 * page * (page + 2) + HELD),
    lists(
      "a rare task",
      { task: "t.rare" },
      ["queued", "held", "ended", "pkey"],
      HELD + 20 + 3 * GROUPS + 60 + 2 * page,
    ),
    lists("queue, task and state", { queue: "rare", task: "t.rare", state: "LOST" }, ["ended", "pkey"], 2 * page),
    {
      verb: "counts",
      run: (on) => counts(on),
      by: [index("queued"), index("held"), ...whole],
      rows: backlog.ready + backlog.later + (whole.length === 0 ? 0 : backlog.finished) + 3 * HELD,
    },
    {
      verb: "counts of a queue",
      run: (on) => counts(on, { queue: "q1" }),
      by: [index("queued"), index("held")],
      rows: (backlog.ready + backlog.later) / 8 + 2 * HELD,
    },
    {
      verb: "counts of a rare task in a rare queue",
      run: (on) => counts(on, { queue: "rare", task: "t.rare" }),
      by: [index("queued"), index("held")],
      rows: 5 + 2 * HELD,
    },
  ];

  for (const mode of ["force_generic_plan", "force_custom_plan"] as const) {
    test.each(cases)(`$verb - reads by its own index and no more than it needs, ${mode}`, async ({ run, by, rows }) => {
      const plan = await explain(sql, store, mode, run);
      expect(new Set([...plan.scans.map((scan) => scan.by), ...by]), plan.text).toEqual(new Set(by));
      expect(plan.scans.length, plan.text).toBeGreaterThan(0);
      const looked = plan.scans.reduce((sum, scan) => sum + scan.rows, 0);
      expect(looked, plan.text).toBeLessThanOrEqual(rows);
      // A row costs its index's pages and its own; one that is written, those of every index.
      expect(plan.pages, plan.text).toBeLessThan(60 * looked + 500);
    });
  }
}
