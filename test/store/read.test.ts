import { randomUUID } from "node:crypto";
import { afterAll, beforeEach, describe, expect, test } from "vitest";
import { encodePayload } from "../../src/payload.ts";
import { complete } from "../../src/store/complete.ts";
import { list } from "../../src/store/list.ts";
import { readAttempts, readExecutions, readExisting, readFinished } from "../../src/store/read.ts";
import { completion, openTestStore, seedOneRunning, seedQueued, seedRunning, seedWorker } from "../support/seed.ts";

const { store, sql, empty, close } = await openTestStore();
afterAll(close);
beforeEach(empty);

const ids = (rows: readonly { readonly id: string }[]) => rows.map((row) => row.id);

describe("list", () => {
  test("newest first, in pages, each row once", async () => {
    const all = (await seedQueued(store, 130)).toReversed();
    const pages: string[][] = [];
    let after: string | undefined;
    do {
      const page = ids(await list(store, after === undefined ? {} : { after }));
      pages.push(page);
      after = page.at(-1);
    } while (after !== undefined);
    expect(pages.map((page) => page.length)).toEqual([50, 50, 30, 0]);
    expect(pages.flat()).toEqual(all);
    expect(ids(await list(store, { limit: 3 }))).toEqual(all.slice(0, 3));
  });

  test("by state, several states, queue and task, and all of them together", async () => {
    const seat = await seedWorker(store);
    const [done] = await seedRunning(store, seat, 1, { queue: "q", task: "a" });
    if (done === undefined) expect.fail();
    await complete(store, seat.holder, [completion(done)]);
    const running = await seedOneRunning(store, seat, { queue: "q", task: "b" });
    const [queued = ""] = await seedQueued(store, 1, { queue: "q", task: "a" });
    const [elsewhere = ""] = await seedQueued(store, 1, { queue: "other", task: "a" });
    expect(ids(await list(store, { state: "QUEUED" }))).toEqual([elsewhere, queued]);
    expect(ids(await list(store, { state: ["RUNNING", "SUCCEEDED"] }))).toEqual([running.id, done.id]);
    expect(ids(await list(store, { state: [] }))).toEqual([]);
    expect(ids(await list(store, { queue: "q" }))).toEqual([queued, running.id, done.id]);
    expect(ids(await list(store, { task: "a" }))).toEqual([elsewhere, queued, done.id]);
    expect(ids(await list(store, { task: "a", queue: "q", state: "QUEUED", after: elsewhere }))).toEqual([queued]);
    expect(ids(await list(store, { task: "no such" }))).toEqual([]);
    expect(ids(await list(store, { after: randomUUID() }))).toEqual([]);
  });
});

test("readExecutions, readFinished, readExisting - what is there of what is asked for", async () => {
  const seat = await seedWorker(store);
  const done = await seedOneRunning(store, seat, { input: encodePayload({ a: "ä" }) });
  await complete(store, seat.holder, [completion(done, { value: Buffer.from('{"x":[1]}') })]);
  const [queued = ""] = await seedQueued(store);
  const asked = [done.id, queued, randomUUID()];
  expect(new Set(ids(await readExecutions(store, asked)))).toEqual(new Set([done.id, queued]));
  expect(new Set(ids(await readExisting(store, asked)))).toEqual(new Set([done.id, queued]));
  const [finished, ...more] = await readFinished(store, asked);
  expect(more).toEqual([]);
  expect(finished).toMatchObject({ id: done.id, state: "SUCCEEDED", input_base64: null, result_base64: null });
  expect(JSON.parse(finished?.input_json ?? "")).toEqual({ a: "ä" });
  expect(JSON.parse(finished?.result_json ?? "")).toEqual({ x: [1] });
  expect(await readExecutions(store, [])).toEqual([]);
});

test("readAttempts - none before the first claim", async () => {
  const [id = ""] = await seedQueued(store);
  expect(await readAttempts(store, id)).toEqual([]);
  expect(await sql`select from rayferry.ray_task_attempt where execution_id = ${id}`).toHaveLength(0);
});
