import { randomUUID } from "node:crypto";
import { afterAll, beforeEach, describe, expect, test } from "vitest";
import { encodePayload } from "../../src/payload.ts";
import { enqueue, wake } from "../../src/store/enqueue.ts";
import { collectNotifications } from "../support/notifications.ts";
import { claimAs, newExecution, openTestStore, readRow, seedWorker } from "../support/seed.ts";

const { store, sql, empty, close } = await openTestStore();
const notifications = await collectNotifications(store, store.names.enqueuedChannel);
afterAll(close);
beforeEach(async () => {
  await empty();
  await notifications.take();
});

describe("enqueue - writes", () => {
  test("one, with everything about it", async () => {
    const input = encodePayload({ a: [1, "ä"] });
    const fields = {
      task: "m.f",
      queue: "gpu",
      priority: -7,
      input,
      tags: ["x", "y,z"],
      metadata: { who: { am: "I" } },
    };
    const execution = newExecution(fields);
    const [answer, ...more] = await enqueue(store, [execution], false);
    expect(more).toEqual([]);
    const row = await readRow(sql, execution.id);
    expect(row).toMatchObject({
      state: "QUEUED",
      task: "m.f",
      queue: "gpu",
      priority: -7,
      ready: true,
      input: { a: [1, "ä"] },
      input_bytes: null,
      input_content_type: "application/json",
      tags: ["x", "y,z"],
      metadata: { who: { am: "I" } },
      attempt: 0,
      fence: null,
    });
    expect(answer).toMatchObject({
      id: execution.id,
      seq: Number(row["seq"]),
      queue: "gpu",
      ready: true,
      written: true,
    });
    expect(new Date(answer?.created_at ?? "")).toEqual(row["created_at"]);
  });

  test("2,000 in one statement, numbered in the order given", async () => {
    const executions = Array.from({ length: 2_000 }, (_each, n) => newExecution({ input: encodePayload({ n }) }));
    const answers = await enqueue(store, executions, false);
    expect(new Set(answers.map((each) => each.id)).size).toBe(2_000);
    expect(answers.every((each) => each.written)).toBe(true);
    const rows = await sql`select (input->>'n')::int as n from rayferry.ray_task_execution order by seq`;
    expect(rows.map((row) => row["n"])).toEqual(executions.map((_each, n) => n));
  });

  test("none - nothing happens", async () => {
    expect(await enqueue(store, [], true)).toEqual([]);
    expect(await notifications.take()).toEqual([]);
  });

  test("one that can't be written stops all of the same call", async () => {
    const good = newExecution();
    await expect(enqueue(store, [good, newExecution({ tags: ["a\0b"] })], true)).rejects.toThrow();
    expect(await sql`select from rayferry.ray_task_execution`).toHaveLength(0);
  });
});

describe("enqueue - the same id again", () => {
  test("changes nothing, and answers what is there", async () => {
    const first = newExecution({ queue: "one", priority: 5 });
    const [written] = await enqueue(store, [first], false);
    const [again] = await enqueue(store, [newExecution({ id: first.id, queue: "two", priority: 1 })], false);
    expect(again).toEqual({ ...written, written: false });
    expect(await readRow(sql, first.id)).toMatchObject({ queue: "one", priority: 5 });
  });

  test("not even when it has been claimed meanwhile", async () => {
    const seat = await seedWorker(store);
    const execution = newExecution();
    await enqueue(store, [execution], false);
    await claimAs(store, seat);
    const [again] = await enqueue(store, [execution], false);
    expect(again).toMatchObject({ id: execution.id, written: false });
    expect(await readRow(sql, execution.id)).toMatchObject({ state: "RUNNING", holder: seat.holder });
  });

  test("twice in one call - one row, one answer", async () => {
    const execution = newExecution();
    const answers = await enqueue(store, [execution, execution, newExecution()], false);
    expect(answers.filter((each) => each.id === execution.id)).toMatchObject([{ written: true }]);
    expect(await sql`select from rayferry.ray_task_execution`).toHaveLength(2);
  });

  test("eight at once - one row, and no error", async () => {
    const execution = newExecution();
    const answers = await Promise.all(Array.from({ length: 8 }, () => enqueue(store, [execution], false)));
    expect(answers.flat().filter((each) => each.written)).toHaveLength(1);
    expect(await sql`select from rayferry.ray_task_execution`).toHaveLength(1);
  });
});

describe("enqueue - later", () => {
  test("delay is counted from the database's now; it isn't ready", async () => {
    const execution = newExecution({ delaySeconds: 90.5 });
    expect(await enqueue(store, [execution], false)).toMatchObject([{ ready: false, written: true }]);
    const [row] = await sql`select ready, extract(epoch from run_at - created_at)::float8 as after
      from rayferry.ray_task_execution where id = ${execution.id}`;
    expect(row).toEqual({ ready: false, after: 90.5 });
  });

  test("runAt ahead isn't ready, runAt in the past is", async () => {
    const ahead = newExecution({ runAt: new Date(Date.now() + 3_600_000) });
    const past = newExecution({ runAt: new Date("2020-02-03T04:05:06.789Z") });
    await enqueue(store, [ahead, past], false);
    expect(await readRow(sql, ahead.id)).toMatchObject({ ready: false, run_at: ahead.runAt });
    expect(await readRow(sql, past.id)).toMatchObject({ ready: true, run_at: past.runAt });
  });

  test("runAt wins over delay", async () => {
    const execution = newExecution({ runAt: new Date(0), delaySeconds: 60 });
    await enqueue(store, [execution], false);
    expect(await readRow(sql, execution.id)).toMatchObject({ ready: true, run_at: new Date(0) });
  });
});

describe("enqueue - wakes the workers", () => {
  test("one notification a queue, an empty one for what is scheduled", async () => {
    const queues = ["a", "b", "a", "a"].map((queue) => newExecution({ queue }));
    await enqueue(store, [...queues, newExecution({ queue: "c", delaySeconds: 9 })], true);
    expect((await notifications.take()).sort()).toEqual(["", "a", "b"]);
  });

  test("not for what was there already, nor without `notify`", async () => {
    const execution = newExecution();
    await enqueue(store, [execution], false);
    await enqueue(store, [execution], true);
    expect(await notifications.take()).toEqual([]);
  });

  test("wake() says the queues it is given", async () => {
    await wake(store, ["x", "", "y"]);
    expect((await notifications.take()).sort()).toEqual(["", "x", "y"]);
  });

  test("a queue's name isn't SQL", async () => {
    const queue = `q'; select '${randomUUID()}`;
    await wake(store, [queue]);
    expect(await notifications.take()).toEqual([queue]);
  });
});
