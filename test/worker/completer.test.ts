/** From results to rows, with real statements; what the server sends is made up. */
import { expect, test } from "vitest";
import type { ServerMessageOf, WorkerMessage } from "../../bridge/src/index.ts";
import { cancel } from "../../src/store/cancel.ts";
import type { ClaimedExecution } from "../../src/store/claim.ts";
import type { Store } from "../../src/store/connection.ts";
import { Completer } from "../../src/worker/completer.ts";
import { HeldAttempts } from "../../src/worker/held.ts";
import { openSeatedStore } from "../support/seated-store.ts";
import { readRow, seedRunning, taskError } from "../support/seed.ts";
import { silent } from "../support/silent.ts";

type Result = ServerMessageOf<"result">;

const { store, sql, seat } = await openSeatedStore();

function open(query: Store["query"] = store.query) {
  const held = new HeldAttempts();
  const sent: WorkerMessage[] = [];
  const completer = new Completer({
    ...{ store: { ...store, query }, held, holder: seat.holder, logger: silent },
    send: (message) => sent.push(message),
    hold: () => {},
    onRoom: () => {},
    onError: (error) => expect.fail(String(error)),
  });
  const recorded = () => sent.flatMap((each) => (each.type === "recorded" ? each.attempts.map(([id]) => id) : []));
  return { completer, held, recorded };
}

/** Four of two tries each, held. */
async function holdFour(held: HeldAttempts): Promise<ClaimedExecution[]> {
  const claimed = await seedRunning(store, seat, 4, { maxAttempts: 2 });
  for (const { id, fence, task, terms } of claimed) held.add(id, fence, task, terms);
  return claimed;
}

function result({ id, fence }: { readonly id: string; readonly fence: number }, fields: Partial<Result> = {}): Result {
  return {
    ...{ type: "result", execution: id, fence, outcome: "SUCCEEDED" },
    ...{ content_type: "application/json", value: Buffer.from("1"), error: null, again: null },
    run: { ray_task_id: null, node_id: null, worker_id: null, pid: null, run_seconds: 1, age_seconds: 0 },
    ...fields,
  };
}

const FAILED = { outcome: "FAILED", value: null, content_type: null, error: taskError() } as const;
const SNOOZED = { ...FAILED, outcome: "SNOOZED", again: { retry: true, after_seconds: 9 } } as const;
const LOST = { ...FAILED, outcome: "LOST" } as const;
const ENDS = [{}, FAILED, SNOOZED, LOST];

const states = async (claimed: readonly ClaimedExecution[]) =>
  await Promise.all(
    claimed.map(async ({ id }) => {
      const { state, attempt, infrastructure_losses } = await readRow(sql, id);
      return [state, attempt, infrastructure_losses];
    }),
  );

test("Completer - ends of every kind in one batch, each by its verb; all are recorded, nothing is held", async () => {
  const { completer, held, recorded } = open();
  const claimed = await holdFour(held);
  for (const [n, each] of claimed.entries()) completer.add(result(each, ENDS[n]));
  await completer.runOnce();
  expect(await states(claimed)).toEqual([
    ["SUCCEEDED", 1, 0],
    ["QUEUED", 1, 0],
    ["QUEUED", 0, 0],
    ["QUEUED", 0, 1],
  ]);
  expect(new Set(recorded())).toEqual(new Set(claimed.map(({ id }) => id)));
  expect(held.size).toBe(0);
  expect(completer.refused).toBe(0);
});

test("Completer - late ones of every kind are counted and change nothing; the server may forget them", async () => {
  const { completer, held, recorded } = open();
  const claimed = await holdFour(held);
  await sql`update rayferry.ray_task_execution set fence = fence + 1000, last_fence = fence + 1000`;
  for (const [n, each] of claimed.entries()) completer.add(result(each, ENDS[n]));
  await completer.runOnce();
  expect((await states(claimed)).map(([state]) => state)).toEqual(Array(4).fill("RUNNING"));
  expect(completer.refused).toBe(4);
  expect(recorded()).toHaveLength(4);
});

test("Completer - what isn't held and is this holder's all the same ends by what its row says of it", async () => {
  const { completer, held, recorded } = open();
  const [failed, cancelled, late] = await seedRunning(store, seat, 3, { maxAttempts: 3 });
  if (failed === undefined || cancelled === undefined || late === undefined) return expect.fail();
  await cancel(store, cancelled.id, null);
  for (const each of [failed, cancelled]) completer.add(result(each, FAILED));
  completer.add(result({ ...late, fence: late.fence - 1 }, FAILED));
  await completer.runOnce();
  expect(await readRow(sql, failed.id)).toMatchObject({ state: "QUEUED", attempt: 1, max_attempts: 3, error: null });
  expect(await readRow(sql, cancelled.id)).toMatchObject({ state: "FAILED" });
  expect(await readRow(sql, late.id)).toMatchObject({ state: "RUNNING", fence: String(late.fence) });
  expect(recorded()).toHaveLength(3);
  expect([completer.refused, held.size]).toEqual([1, 0]);
});

test("Completer - a value that Postgres refuses stops no other, and is not tried again", async () => {
  const { completer, held } = open();
  const claimed = await holdFour(held);
  for (const [n, each] of claimed.entries())
    completer.add(result(each, n === 2 ? { value: Buffer.from('"\\u0000"') } : {}));
  await completer.runOnce();
  expect((await states(claimed)).map(([state]) => state)).toEqual(["SUCCEEDED", "SUCCEEDED", "FAILED", "SUCCEEDED"]);
  expect(await readRow(sql, claimed[2]?.id ?? "")).toMatchObject({ error: { code: "ResultNotStorable" } });
});

test("Completer - where one kind can't be written now, the others aren't written twice", async () => {
  let broken = true;
  const { completer, held, recorded } = open(async (text, params) => {
    if (broken && text.includes("reason text")) throw new Error("the connection is gone");
    return await store.query(text, params);
  });
  const claimed = await holdFour(held);
  for (const [n, each] of claimed.entries()) completer.add(result(each, ENDS[n]));
  await expect(completer.runOnce()).rejects.toThrow("the connection is gone");
  expect(recorded()).toEqual([claimed[0]?.id]);
  broken = false;
  await completer.runOnce();
  expect(recorded()).toHaveLength(4);
  expect(held.size).toBe(0);
  expect(completer.refused).toBe(0);
});

test("Completer - what somebody has locked is recorded when it is free; what else there is doesn't wait", async () => {
  const { completer, held, recorded } = open();
  const claimed = await holdFour(held);
  const ids = claimed.map(({ id }) => id);
  await sql.begin(async (tx) => {
    await tx`select from rayferry.ray_task_execution where id = ${ids[1] ?? ""} for update`;
    for (const [index, each] of claimed.entries()) completer.add(result(each, ENDS[index]));
    await completer.runOnce();
    expect(new Set(recorded())).toEqual(new Set(ids.filter((id) => id !== ids[1])));
    expect(completer.refused).toBe(0);
  });
  await completer.runOnce();
  expect(recorded().at(-1)).toBe(ids[1]);
  expect(await readRow(sql, ids[1] ?? "")).toMatchObject({ state: "QUEUED", attempt: 1 });
});

test("Completer - what can be recorded in no form stops nothing else, and is tried again later", async () => {
  const { completer, held, recorded } = open();
  const claimed = await holdFour(held);
  const ids = claimed.map(({ id }) => id);
  await sql.unsafe(
    `alter table rayferry.ray_task_execution add constraint own check (id <> '${ids[0]}' or finished_at is null)`,
  );
  for (const each of claimed) completer.add(result(each));
  await completer.runOnce();
  expect(new Set(recorded())).toEqual(new Set(ids.slice(1)));
  expect(held.find(ids[0] ?? "", claimed[0]?.fence ?? 0)).not.toBeNull();
  await sql`alter table rayferry.ray_task_execution drop constraint own`;
});
