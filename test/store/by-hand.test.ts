/** Rows written by hand: what somebody with psql or an ORM gets. */
import { randomUUID } from "node:crypto";
import { and, eq, inArray } from "drizzle-orm";
import { drizzle } from "drizzle-orm/postgres-js";
import postgres from "postgres";
import { afterAll, describe, expect, test } from "vitest";
import { cancel } from "../../src/store/cancel.ts";
import { cancelBatch } from "../../src/store/cancel-many.ts";
import { complete } from "../../src/store/complete.ts";
import { within } from "../../src/store/connection.ts";
import { define } from "../../src/store/definitions.ts";
import { enqueue } from "../../src/store/enqueue.ts";
import type { CallerClient } from "../../src/store/queryable.ts";
import { rerun } from "../../src/store/rerun.ts";
import { retry } from "../../src/store/retry.ts";
import { executionLease, rayTaskExecution } from "../../src/store/schema.ts";
import { openSeatedStore } from "../support/seated-store.ts";
import {
  claimAs,
  completion,
  newExecution,
  readRow,
  seedOneRunning,
  seedQueued,
  seedRunning,
  taskError,
} from "../support/seed.ts";

const { url, store, seat, woken, asked, finished } = await openSeatedStore({
  woken: "enqueuedChannel",
  asked: "cancelChannel",
  finished: "finishedChannel",
});
/** Unmarked: what somebody with psql has. */
const sql = postgres(url, { max: 2, onnotice: () => {} });
/** Its own: drizzle changes how a client reads dates. */
const db = drizzle(postgres(url, { max: 1, onnotice: () => {} }));
afterAll(async () => {
  await Promise.all([sql.end(), db.$client.end()]);
});

/** The message and the hint of what Postgres refuses. */
async function refusal(statement: PromiseLike<unknown>): Promise<{ code: string; message: string; hint: string }> {
  const error: unknown = await Promise.resolve(statement).then(
    () => new Error("It wasn't refused."),
    (reason: unknown) => (reason instanceof Error && reason.cause instanceof Error ? reason.cause : reason),
  );
  const { code, message, hint } = error as { code: string; message: string; hint: string };
  return { code, message, hint };
}

describe("INSERT by hand", () => {
  const registered = {
    name: "t.reg",
    module: "m",
    kind: "function",
    queue: "own",
    num_cpus: 1,
    doc: null,
    parameters: [],
    max_attempts: 3,
    retry: { jitter: false, max_seconds: 5 },
    timeout_seconds: 7,
    queue_timeout_seconds: 60,
  };

  test("a registered task - gets what its author gave, and a worker of its queue is woken", async () => {
    await define(store, [registered]);
    const [row] =
      await sql`insert into rayferry.ray_task_execution (task, input) values ('t.reg', '{"a": 1}') returning *`;
    expect(row).toMatchObject({ state: "QUEUED", queue: "own", ready: true, max_attempts: 3, timeout_seconds: 7 });
    expect(row).toMatchObject({ retry: { jitter: false, max_seconds: 5 }, attempt: 0, priority: 0, input: { a: 1 } });
    expect(row?.["expires_at"] - row?.["run_at"]).toBe(60_000);
    expect(await woken.take()).toEqual(["own"]);
    const [claimed] = await claimAs(store, seat, 1, ["own"]);
    expect(claimed).toMatchObject({ id: row?.["id"], terms: { maxAttempts: 3, timeoutSeconds: 7 } });
  });

  test("what the row says itself - wins, key by key in the retry policy", async () => {
    await define(store, [registered]);
    const [row] =
      await sql`insert into rayferry.ray_task_execution (task, queue, max_attempts, retry, timeout_seconds, run_at, ready)
      values ('t.reg', 'mine', 9, '{"max_seconds": 1}', 2, now() + interval '1 hour', true) returning *`;
    expect(row).toMatchObject({ queue: "mine", max_attempts: 9, timeout_seconds: 2, ready: false });
    expect(row?.["retry"]).toEqual({ jitter: false, max_seconds: 1 });
    expect(row?.["expires_at"] - row?.["run_at"]).toBe(60_000);
    // Empty: something was scheduled, and whoever promotes looks when it is due.
    expect(await woken.take()).toEqual([""]);
  });

  test("a task that nobody has registered - its first claim settles the terms", async () => {
    const [row] = await sql`insert into rayferry.ray_task_execution (task) values ('t.reg') returning *`;
    expect(row).toMatchObject({ queue: "default", max_attempts: null, retry: null, expires_at: null });
    await define(store, [registered]);
    expect((await claimAs(store, seat))[0]?.terms).toMatchObject({ maxAttempts: 3, timeoutSeconds: 7 });
  });

  test("a task that nobody has registered, its attempts given - its first claim settles the rest", async () => {
    await sql`insert into rayferry.ray_task_execution (task, max_attempts) values ('t.reg', 9)`;
    await define(store, [registered]);
    const [claimed] = await claimAs(store, seat);
    expect(claimed?.terms).toMatchObject({ maxAttempts: 9, timeoutSeconds: 7, retry: registered.retry });
  });

  test("by drizzle, many at once - each with an id of its own, one wake-up a queue", async () => {
    const rows = await db
      .insert(rayTaskExecution)
      .values(Array.from({ length: 3 }, (_, n) => ({ task: "t.run", input: { n } })))
      .returning();
    expect(new Set(rows.map(({ id }) => id)).size).toBe(3);
    expect(await woken.take()).toEqual(["default"]);
    expect(await claimAs(store, seat)).toHaveLength(3);
  });

  test.each([
    [
      "another state",
      "(task, state) values ('t', 'RUNNING')",
      "RF001",
      "An execution begins as QUEUED, not as RUNNING.",
      'Leave the column "state" out',
    ],
    [
      "a queue that no worker can name",
      "(task, queue) values ('t', 'my queue')",
      "RF003",
      'No worker can take from a queue named "my queue".',
      "1 to 100 of the characters",
    ],
  ])("%s - is refused, with what to write", async (_what, values, code, message, hint) => {
    const refused = await refusal(sql.unsafe(`insert into rayferry.ray_task_execution ${values}`));
    expect(refused).toEqual({ code, message, hint: expect.stringContaining(hint) });
  });
});

describe("a cancel by hand: state = 'CANCELLED'", () => {
  const byHand = (id: string) => sql`update rayferry.ray_task_execution set state = 'CANCELLED' where id = ${id}`;

  test("of a QUEUED one - is the whole cancel", async () => {
    const [id = ""] = await seedQueued(store);
    await byHand(id);
    const times = { finished_at: expect.any(Date), cancel_requested_at: expect.any(Date) };
    expect(await readRow(sql, id)).toMatchObject({ state: "CANCELLED", ...times });
    expect(await finished.take()).toEqual([id]);
    expect(await claimAs(store, seat)).toEqual([]);
  });

  test.each(["CANCELLED", "CANCELLING"])(
    "of a RUNNING one, as %s - becomes CANCELLING, and its holder is told",
    async (state) => {
      const held = await seedOneRunning(store, seat);
      await sql`update rayferry.ray_task_execution set state = ${state}, cancel_reason = 'by hand', finished_at = now() where id = ${held.id}`;
      const kept = { fence: String(held.fence), holder: seat.holder, server: seat.server, finished_at: null };
      expect(await readRow(sql, held.id)).toMatchObject({ state: "CANCELLING", cancel_reason: "by hand", ...kept });
      expect(await asked.take()).toEqual([seat.holder]);
      // Its holder has the last word, as after any cancel.
      const stopped = completion(held, { state: "CANCELLED", value: null, contentType: null });
      expect(await complete(store, seat.holder, [stopped])).toEqual(new Set([held.id]));
      expect(await readRow(sql, held.id)).toMatchObject({ state: "CANCELLED", cancel_reason: "by hand" });
    },
  );

  test("of a CANCELLING one - stays so, with the first time and reason; the holder is told again", async () => {
    const held = await seedOneRunning(store, seat);
    await cancel(store, held.id, "first");
    const before = await readRow(sql, held.id);
    await asked.take();
    await sql`update rayferry.ray_task_execution set state = 'CANCELLED', cancel_reason = 'second' where id = ${held.id}`;
    expect(await readRow(sql, held.id)).toEqual(before);
    expect(await asked.take()).toEqual([seat.holder]);
  });

  test("of many at once - each by its own state, one word a holder", async () => {
    const running = await seedRunning(store, seat, 3);
    await seedQueued(store, 4);
    await sql`update rayferry.ray_task_execution set state = 'CANCELLED'`;
    const rows = await sql`select state, count(*)::int as count from rayferry.ray_task_execution group by 1 order by 1`;
    expect(rows).toEqual([
      { state: "CANCELLING", count: 3 },
      { state: "CANCELLED", count: 4 },
    ]);
    expect(await asked.take()).toEqual([seat.holder]);
    expect(await finished.take()).toHaveLength(4);
    expect(running).toHaveLength(3);
  });

  test("by an ORM that writes every column as it read them before the claim - takes nothing from its worker", async () => {
    const [id = ""] = await seedQueued(store, 1, { tags: ["a"] });
    const [read] = await db.select().from(rayTaskExecution).where(eq(rayTaskExecution.id, id));
    const [held] = await claimAs(store, seat);
    const claimed = await readRow(sql, id);
    const { seq: _generated, ...columns } = read ?? {};
    await db
      .update(rayTaskExecution)
      .set({ ...columns, state: "CANCELLED", tags: ["a", "mine"] })
      .where(eq(rayTaskExecution.id, id));
    const changed = { state: "CANCELLING", cancel_requested_at: expect.any(Date), tags: ["a", "mine"] };
    expect(await readRow(sql, id)).toEqual({ ...claimed, ...changed });
    const done = completion(held ?? { id, fence: 0 });
    expect(await complete(store, seat.holder, [done])).toEqual(new Set([id]));
  });

  test("by drizzle from rayferry/schema, of what is live", async () => {
    const [id = ""] = await seedQueued(store);
    const done = await seedOneRunning(store, seat, { queue: "other" });
    await complete(store, seat.holder, [completion(done)]);
    const live = inArray(rayTaskExecution.state, ["QUEUED", "RUNNING"]);
    const ids = inArray(rayTaskExecution.id, [id, done.id]);
    const changed = await db.update(rayTaskExecution).set({ state: "CANCELLED" }).where(and(ids, live)).returning();
    expect(changed.map((row) => [row.id, row.state])).toEqual([[id, "CANCELLED"]]);
  });
});

describe("any other transition by hand - is refused in a sentence that names the verb", () => {
  /** An execution in that state. */
  async function inState(state: string): Promise<string> {
    if (state === "QUEUED") return (await seedQueued(store, 1, { queue: "q" }))[0] ?? "";
    const held = await seedOneRunning(store, seat);
    if (state === "CANCELLING") await cancel(store, held.id, null);
    if (state === "SUCCEEDED") await complete(store, seat.holder, [completion(held)]);
    const end = { state: "FAILED", value: null, contentType: null, error: taskError() } as const;
    if (state === "FAILED") await complete(store, seat.holder, [completion(held, end)]);
    return held.id;
  }

  test.each([
    ["QUEUED", "RUNNING", "a worker does that when it claims it.", 'set "run_at" or "priority"'],
    ["QUEUED", "SUCCEEDED", "only a worker says how an execution goes on and ends.", "rayferry cancel ID"],
    ["RUNNING", "QUEUED", "a worker has it.", "rayferry cancel ID"],
    ["RUNNING", "FAILED", "only a worker says how an execution goes on and ends.", "state = 'CANCELLED'"],
    ["CANCELLING", "QUEUED", "a worker has it.", "It is being stopped."],
    ["CANCELLING", "RUNNING", "only a worker says how an execution goes on and ends.", "rayferry retry ID"],
    ["FAILED", "QUEUED", "what became of it has to go on record first.", "rayferry retry ID"],
    ["FAILED", "SUCCEEDED", "it has ended, and its end stands.", "backend.retry(id)"],
    ["SUCCEEDED", "QUEUED", "it has ended, and its end stands.", "rayferry rerun ID"],
    ["SUCCEEDED", "CANCELLED", "it has ended, and nothing is left to cancel.", "where state in ('QUEUED', 'RUNNING')"],
    ["FAILED", "CANCELLING", "it has ended, and nothing is left to cancel.", "where state in ('QUEUED', 'RUNNING')"],
  ])("%s to %s", async (from, to, why, hint) => {
    const id = await inState(from);
    const before = await readRow(sql, id);
    const refused = await refusal(sql`update rayferry.ray_task_execution set state = ${to} where id = ${id}`);
    expect(refused.code).toBe("RF002");
    expect(refused.message).toBe(`Execution ${id} is ${from} and doesn't become ${to} by hand: ${why}`);
    expect(refused.hint.replaceAll(id, "ID")).toContain(hint);
    expect(await readRow(sql, id)).toEqual(before);
  });

  test.each(["id", "fence", "holder", "server", "last_fence"])("the column %s of a RUNNING one", async (column) => {
    const id = await inState("RUNNING");
    const value = column.endsWith("fence") ? "7" : `'${randomUUID()}'`;
    const refused = await refusal(
      sql.unsafe(`update rayferry.ray_task_execution set ${column} = ${value} where id = '${id}'`),
    );
    expect(refused.code).toBe("RF002");
    expect(refused.message).toContain(`of execution ${id} aren't changed by hand`);
    expect(refused.hint).toContain(`rayferry cancel ${id}`);
  });
});

describe("a QUEUED one, moved by hand", () => {
  const ready = async (id: string) => (await readRow(sql, id))["ready"];

  test("run_at - makes it ready or not, whatever `ready` is set to, and wakes whom it concerns; its deadline moves along", async () => {
    const [id = ""] = await seedQueued(store, 1, { delaySeconds: 600, queueTimeoutSeconds: 60 });
    await sql`update rayferry.ray_task_execution set ready = true where id = ${id}`;
    expect(await ready(id)).toBe(false);
    expect(await woken.take()).toEqual([""]);
    const [row] = await sql`update rayferry.ray_task_execution set run_at = now() where id = ${id} returning *`;
    expect(row?.["ready"]).toBe(true);
    expect(row?.["expires_at"] - row?.["run_at"]).toBe(60_000);
    expect(await woken.take()).toEqual(["default"]);
    await sql`update rayferry.ray_task_execution set run_at = now() + interval '1 minute' where id = ${id}`;
    expect(await ready(id)).toBe(false);
    expect(await claimAs(store, seat)).toEqual([]);
  });

  test("queue and priority - count at the next claim, and the new queue's workers are woken", async () => {
    const [first = "", second = ""] = await seedQueued(store, 2);
    await sql`update rayferry.ray_task_execution set queue = 'other', priority = 3 where id = ${second}`;
    await sql`update rayferry.ray_task_execution set queue = 'other' where id = ${first}`;
    expect(await woken.take()).toEqual(["other", "other"]);
    expect((await claimAs(store, seat, 2, ["other"])).map(({ id }) => id)).toEqual([second, first]);
    const [third = ""] = await seedQueued(store);
    const refused = await refusal(sql`update rayferry.ray_task_execution set queue = 'a b' where id = ${third}`);
    expect(refused).toMatchObject({ code: "RF003" });
  });

  test("anything else of it - is the user's own business, and wakes nobody", async () => {
    const [id = ""] = await seedQueued(store);
    await sql`update rayferry.ray_task_execution set tags = '{x}', max_attempts = 5 where id = ${id}`;
    expect(await readRow(sql, id)).toMatchObject({ tags: ["x"], max_attempts: 5 });
    expect(await woken.take()).toEqual([]);
  });
});

describe("DELETE by hand", () => {
  test("of a held one - its lease row goes along, its holder is told, its late result is refused", async () => {
    const held = await seedOneRunning(store, seat);
    await db.insert(executionLease).values({ executionId: held.id, fence: held.fence, ...seat, phase: "RUNNING" });
    await sql`delete from rayferry.ray_task_execution where id = ${held.id}`;
    expect(await asked.take()).toEqual([seat.holder]);
    expect(await sql`select from rayferry.execution_lease`).toHaveLength(0);
    expect(await complete(store, seat.holder, [completion(held)])).toEqual(new Set());
  });

  test("of one that nobody holds - tells nobody", async () => {
    const [id = ""] = await seedQueued(store);
    await sql`delete from rayferry.ray_task_execution where id = ${id}`;
    expect(await asked.take()).toEqual([]);
  });
});

describe("a transaction of the caller's: a verb of ours, then a statement by hand - is looked at again", () => {
  const failed = async () => {
    const held = await seedOneRunning(store, seat);
    const end = { state: "FAILED", value: null, contentType: null, error: taskError() } as const;
    await complete(store, seat.holder, [completion(held, end)]);
    return held.id;
  };
  const target = { states: ["QUEUED" as const] };

  test.each<[string, (tx: CallerClient, id: string) => Promise<unknown>]>([
    ["enqueue", (tx) => enqueue(within(store, tx), [newExecution({ queue: "a" })], true)],
    ["enqueue of what is there", (tx, id) => enqueue(within(store, tx), [newExecution({ id })], true)],
    ["enqueue of nothing", (tx) => enqueue(within(store, tx), [], true)],
    ["cancel", async (tx) => cancel(within(store, tx), (await seedQueued(store))[0] ?? "", null)],
    ["cancel of what isn't there", (tx) => cancel(within(store, tx), randomUUID(), null)],
    ["cancel of what has ended", (tx, id) => cancel(within(store, tx), id, null)],
    ["cancelMany", async (tx) => cancelBatch(within(store, tx), { ...target, ids: await seedQueued(store) }, null)],
    ["cancelMany of nothing", (tx) => cancelBatch(within(store, tx), { ...target, ids: [] }, null)],
    ["retry", (tx, id) => retry(within(store, tx), id)],
    ["retry of what isn't there", (tx) => retry(within(store, tx), randomUUID())],
    ["rerun", (tx, id) => rerun(within(store, tx), { id: randomUUID(), of: id, input: null })],
    ["rerun of what isn't there", (tx, id) => rerun(within(store, tx), { id, of: randomUUID(), input: null })],
  ])("%s", async (_verb, act) => {
    const id = await failed();
    await seedQueued(store, 2, { queue: "b" });
    await sql.begin(async (tx) => {
      await act(tx, id);
      const [mark] = await tx`select current_setting('rayferry.verb', true) as mark`;
      expect(mark?.["mark"]).not.toBe("on");
      await expect(
        tx.savepoint((inner) => inner`update rayferry.ray_task_execution set state = 'SUCCEEDED'`),
      ).rejects.toThrow("by hand");
      const [row] =
        await tx`insert into rayferry.ray_task_execution (task, run_at) values ('t', now() + interval '1 day') returning queue, ready`;
      expect(row).toEqual({ queue: "default", ready: false });
    });
  });
});
