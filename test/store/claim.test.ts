import { randomUUID } from "node:crypto";
import { beforeEach, describe, expect, test } from "vitest";
import { encodePayload } from "../../src/payload.ts";
import { claim } from "../../src/store/claim.ts";
import { within } from "../../src/store/connection.ts";
import { enqueue } from "../../src/store/enqueue.ts";
import { drainLease } from "../../src/store/lease.ts";
import { openSeatedStore } from "../support/seated-store.ts";
import { claimAs, newExecution, readRow, type Seat, seedQueued, seedWorker } from "../support/seed.ts";

const { store, sql, seat } = await openSeatedStore();

const ids = (rows: readonly { readonly id: string }[]) => rows.map((row) => row.id);

describe("claim - order", () => {
  test("higher priority, then earlier run_at, then seq, across queues", async () => {
    const at = (minute: number) => new Date(Date.UTC(2026, 0, 1, 0, minute));
    const expected = [
      newExecution({ queue: "b", priority: 9, runAt: at(5) }),
      newExecution({ queue: "a", priority: 1, runAt: at(1) }),
      newExecution({ queue: "b", priority: 1, runAt: at(2) }),
      newExecution({ queue: "c", priority: 1, runAt: at(2) }),
      newExecution({ queue: "a", priority: 0, runAt: at(0) }),
      newExecution({ queue: "c", priority: -3, runAt: at(0) }),
    ];
    // seq is the order of writing: it decides between the two that are equal otherwise.
    const [first, second, third, fourth, fifth, sixth] = expected;
    const written = [sixth, fifth, third, fourth, first, second].filter((each) => each !== undefined);
    await enqueue(store, written, false);
    const claimed = await claimAs(store, seat, 500, ["c", "a", "b"]);
    expect(ids(claimed)).toEqual(ids(expected));
    const fences = claimed.map((each) => each.fence);
    expect(fences).toEqual(fences.toSorted((one, other) => one - other));
    expect(new Set(fences).size).toBe(6);
  });

  test("the limit counts over all queues, and the best are taken", async () => {
    const low = await seedQueued(store, 3, { queue: "a" });
    const high = await seedQueued(store, 2, { queue: "b", priority: 1 });
    expect(ids(await claimAs(store, seat, 3, ["a", "b"]))).toEqual([...high, ...low.slice(0, 1)]);
    expect(ids(await claimAs(store, seat, 3, ["a", "b"]))).toEqual(low.slice(1));
    expect(await claimAs(store, seat, 3, ["a", "b"])).toEqual([]);
  });

  test("other queues and what isn't ready stay", async () => {
    await seedQueued(store, 1, { queue: "other" });
    await seedQueued(store, 1, { delaySeconds: 60 });
    expect(await claimAs(store, seat)).toEqual([]);
  });

  test("fences only grow, over every claim of the database", async () => {
    const fences: number[] = [];
    for (let round = 0; round < 5; round += 1) {
      await seedQueued(store, 3);
      fences.push(...(await claimAs(store, await seedWorker(store), 3)).map((each) => each.fence));
    }
    expect(fences).toEqual(fences.toSorted((one, other) => one - other));
    expect(new Set(fences).size).toBe(15);
  });
});

describe("claim - what the row and the worker get", () => {
  test("the row says who holds it; the attempt counts", async () => {
    const [id = ""] = await seedQueued(store, 1, { input: encodePayload({ a: 1 }), task: "m.f" });
    const [claimed] = await claimAs(store, seat);
    expect(claimed).toMatchObject({ id, attempt: 1, task: "m.f", queue: "default", contentType: "application/json" });
    expect(JSON.parse(Buffer.from(claimed?.input ?? []).toString())).toEqual({ a: 1 });
    expect(await readRow(sql, id)).toMatchObject({
      state: "RUNNING",
      fence: String(claimed?.fence),
      last_fence: String(claimed?.fence),
      holder: seat.holder,
      server: seat.server,
      worker: seat.worker,
      attempt: 1,
      started_at: null,
      claimed_at: expect.any(Date),
    });
  });

  test("MessagePack comes as the bytes that were written", async () => {
    const input = encodePayload({ a: new Uint8Array([0, 255]), n: Number.NaN });
    await seedQueued(store, 1, { input });
    const [claimed] = await claimAs(store, seat);
    expect(claimed?.contentType).toBe("application/msgpack");
    expect(new Uint8Array(claimed?.input ?? [])).toEqual(input.bytes);
  });
});

describe("claim - several at once", () => {
  test("a row locked by another claim is skipped, not waited for", async () => {
    const [first = "", second = ""] = await seedQueued(store, 2);
    await sql.begin(async (tx) => {
      await tx`select from rayferry.ray_task_execution where id = ${first} for update`;
      expect(ids(await claimAs(store, seat))).toEqual([second]);
    });
    expect(ids(await claimAs(store, seat))).toEqual([first]);
  });

  test("what another is claiming of one queue is all that is locked", async () => {
    await seedQueued(store, 10);
    await sql.begin(async (tx) => {
      expect(await claimAs(within(store, tx), seat, 3)).toHaveLength(3);
      expect(await claimAs(store, seat, 500)).toHaveLength(7);
    });
  });

  test("what another is claiming of several queues is all that is locked", async () => {
    await seedQueued(store, 10, { queue: "a" });
    await seedQueued(store, 10, { queue: "b", priority: 1 });
    await sql.begin(async (tx) => {
      const first = await claimAs(within(store, tx), seat, 12, ["a", "b"]);
      expect(first.map((each) => each.queue)).toEqual([...Array(10).fill("b"), ...Array(2).fill("a")]);
      expect(await claimAs(store, seat, 500, ["a", "b"])).toHaveLength(8);
    });
  });

  test("where another has locked the first ones of a queue, the next ones of any make up for them", async () => {
    const high = await seedQueued(store, 5, { queue: "a", priority: 1 });
    const low = await seedQueued(store, 6, { queue: "b" });
    const last = await seedQueued(store, 2, { queue: "a", priority: -1 });
    await sql.begin(async (tx) => {
      await tx`select from rayferry.ray_task_execution where id = any(${high}) for update`;
      expect(ids(await claimAs(store, seat, 5, ["a", "b"]))).toEqual(low.slice(0, 5));
      expect(ids(await claimAs(store, seat, 5, ["a", "b"]))).toEqual([...low.slice(5), ...last]);
    });
  });

  test("... and not what sorts after them in that queue", async () => {
    const high = await seedQueued(store, 5, { queue: "a", priority: 1 });
    const low = await seedQueued(store, 6, { queue: "b" });
    await seedQueued(store, 5, { queue: "a", priority: -1 });
    await sql.begin(async (tx) => {
      await tx`select from rayferry.ray_task_execution where id = any(${high.slice(0, 3)}) for update`;
      expect(ids(await claimAs(store, seat, 5, ["a", "b"]))).toEqual([...high.slice(3), ...low.slice(0, 3)]);
    });
  });

  test("... and no more of each queue is locked than what another has locked", async () => {
    const [first = ""] = await seedQueued(store, 10, { queue: "a" });
    await seedQueued(store, 10, { queue: "b" });
    await sql.begin(async (tx) => {
      await tx`select from rayferry.ray_task_execution where id = ${first} for update`;
      await sql.begin(async (other) => {
        expect(await claimAs(within(store, other), seat, 5, ["a", "b"])).toHaveLength(5);
        // All but the first one, the five, and the next one of the other queue.
        expect(await claimAs(store, seat, 500, ["a", "b"])).toHaveLength(13);
      });
    });
  });

  test("eight claimers over 1,000 rows share them without overlap", async () => {
    const all = await seedQueued(store, 1_000);
    const seats = await Promise.all(Array.from({ length: 8 }, () => seedWorker(store)));
    const drain = async (each: Seat) => {
      const mine: string[] = [];
      // What another has locked for a moment isn't seen: only an empty queue ends it.
      for (;;) {
        mine.push(...ids(await claimAs(store, each, 20)));
        const [left] = await sql`select count(*)::int as n from rayferry.ray_task_execution where state = 'QUEUED'`;
        if (left?.["n"] === 0) return mine;
      }
    };
    const claimed = (await Promise.all(seats.map(drain))).flat();
    expect(claimed).toHaveLength(1_000);
    expect(new Set(claimed)).toEqual(new Set(all));
  });
});

describe("claim - nothing for a worker without a good lease", () => {
  beforeEach(async () => {
    await seedQueued(store);
  });

  const lease = (changes: string) =>
    sql.unsafe(`update rayferry.task_worker_lease set ${changes} where id = '${seat.holder}'`);

  test.each([
    ["run out", "expires_at = now() - interval '1 millisecond'"],
    ["STARTING", "state = 'STARTING'"],
    ["STOPPED", "state = 'STOPPED'"],
    ["LOST", "state = 'LOST'"],
  ])("%s", async (_what, changes) => {
    await lease(changes);
    expect(await claimAs(store, seat)).toEqual([]);
    await lease("state = 'READY', expires_at = now() + interval '1 minute'");
    expect(await claimAs(store, seat)).toHaveLength(1);
  });

  test("DRAINING", async () => {
    await drainLease(store, seat.holder);
    expect(await claimAs(store, seat)).toEqual([]);
  });

  test("unknown", async () => {
    expect(await claim(store, { ...seat, holder: randomUUID(), queues: ["default"], limit: 9 })).toEqual([]);
  });
});

test("claim - reads no more of the backlog than it takes: 20,000 rows, run again and again", async () => {
  await sql`insert into rayferry.ray_task_execution (task, queue, priority)
    select 't', 'q' || n % 4, n % 3 from generate_series(1, 20000) n`;
  await sql`vacuum analyze rayferry.ray_task_execution`;
  const connection = await sql.reserve();
  let plan = "";
  let planned: unknown;
  // As postgres.js does it: prepared, so that after five runs Postgres may choose one plan for any parameters.
  const explaining = {
    ...store,
    query: async (text: string, params: readonly (string | null)[]) => {
      const execute = `execute claiming(${params.map((each) => `'${each}'`).join(", ")})`;
      await connection.unsafe(`prepare claiming as ${text}`);
      for (let run = 0; run < 6; run += 1) await connection.unsafe(execute);
      const rows = await connection.unsafe(`explain (analyze, costs off, timing off) ${execute}`);
      plan = rows.map((row) => row["QUERY PLAN"]).join("\n");
      [planned] =
        await connection`select generic_plans::int, custom_plans::int from pg_prepared_statements where name = 'claiming'`;
      return [];
    },
  };
  await claim(explaining, { ...seat, queues: ["q0", "q1", "q2", "q3"], limit: 10 });
  connection.release();
  expect(plan).toContain("Index Scan using ray_task_execution_claim");
  expect(plan).not.toContain("Seq Scan on ray_task_execution");
  const most = Math.max(...[...plan.matchAll(/actual rows=([\d.]+)/g)].map((match) => Number(match[1])));
  // 4 queues of 10 each are merged; no step sees more.
  expect(most).toBeLessThanOrEqual(40);
  // Planning takes longer than a small claim: after the five tries that Postgres makes, it is to stay with the plan for any parameters.
  expect(planned).toEqual({ generic_plans: 2, custom_plans: 5 });
});
