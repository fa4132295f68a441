/** What a server rejects, given back to Postgres by real statements; the server's words are made up. */
import { expect, test } from "vitest";
import type { ServerMessageOf } from "../../bridge/src/index.ts";
import type { ClaimedExecution } from "../../src/store/claim.ts";
import type { Store } from "../../src/store/connection.ts";
import { judgeRejection } from "../../src/worker/hand-back.ts";
import { ServerAttempts } from "../../src/worker/server-attempts.ts";
import { openSeatedStore } from "../support/seated-store.ts";
import { readRow, seedRunning } from "../support/seed.ts";
import { silent } from "../support/silent.ts";
import { waitFor } from "../support/wait-for.ts";

const { store, sql, seat } = await openSeatedStore();

function open(query: Store["query"] = store.query) {
  const errors: unknown[] = [];
  let rooms = 0;
  const attempts = new ServerAttempts({
    ...{ store: { ...store, query }, holder: seat.holder, server: seat.server, logger: silent, graceSeconds: 5 },
    send: () => {},
    inventory: () => Promise.resolve([]),
    hold: () => {},
    onRoom: () => {
      rooms += 1;
    },
    onError: (error) => errors.push(error),
  });
  attempts.start();
  return { attempts, errors, rooms: () => rooms };
}

async function hold(attempts: ServerAttempts, count: number): Promise<ClaimedExecution[]> {
  const claimed = await seedRunning(store, seat, count);
  for (const { id, fence, task, terms } of claimed) attempts.held.add(id, fence, task, terms);
  return claimed;
}

function rejected({ id, fence }: ClaimedExecution, code = "WITHDRAWN"): ServerMessageOf<"rejected"> {
  return { type: "rejected", execution: id, fence, code, message: code } as ServerMessageOf<"rejected">;
}

test("judgeRejection - what is known to have begun is never handed back for free", () => {
  expect(judgeRejection("WITHDRAWN", false)).toBe("release");
  expect(judgeRejection("ENDING", true)).toBe("requeue");
  expect(judgeRejection("UNKNOWN_EXECUTION", false)).toBe("requeue");
  expect(judgeRejection("NOT_HOLDER", true)).toBe("drop");
});

test("HandBacks - many at once take a statement or two, and are held until Postgres has them", async () => {
  let releases = 0;
  const { attempts, errors, rooms } = open((text, params) => {
    if (text.includes('"unknownTask" boolean')) releases += 1;
    return store.query(text, params);
  });
  const claimed = await hold(attempts, 50);
  for (const each of claimed) attempts.take(rejected(each));
  expect(attempts.held.size).toBe(50);
  expect(await attempts.held.emptyWithin(3_000)).toBe(true);
  expect(releases).toBeLessThanOrEqual(2);
  expect(await sql`select distinct state, attempt, ready from rayferry.ray_task_execution`).toEqual([
    { state: "QUEUED", attempt: 0, ready: true },
  ]);
  expect(rooms()).toBeGreaterThan(0);
  expect(errors).toEqual([]);
  await attempts.stop();
});

test("HandBacks - a stop waits for what is on its way back, also where the first try fails", async () => {
  let failing = 1;
  const { attempts, errors } = open(async (text, params) => {
    if (text.includes('"unknownTask" boolean') && failing-- > 0) throw new Error("the connection is gone");
    return await store.query(text, params);
  });
  const [one] = await hold(attempts, 1);
  if (one === undefined) return expect.fail();
  attempts.take(rejected(one));
  await attempts.stop();
  expect(await readRow(sql, one.id)).toMatchObject({ state: "QUEUED", holder: null });
  expect(attempts.held.size).toBe(0);
  expect(errors).toHaveLength(1);
});

test("HandBacks - asked again for what is on its way back, the server's answer costs no loss", async () => {
  const { attempts } = open();
  const [one, lost] = await hold(attempts, 2);
  if (one === undefined || lost === undefined) return expect.fail();
  attempts.take(rejected(one));
  attempts.take(rejected(one, "UNKNOWN_EXECUTION"));
  attempts.take(rejected(lost, "UNKNOWN_EXECUTION"));
  await attempts.stop();
  expect(await readRow(sql, one.id)).toMatchObject({ state: "QUEUED", infrastructure_losses: 0 });
  expect(await readRow(sql, lost.id)).toMatchObject({ state: "QUEUED", infrastructure_losses: 1 });
});

test("HandBacks - what is known to have begun has no deadline any more when it is lost, and its start is on record", async () => {
  const { attempts } = open();
  const [begun, waiting] = await seedRunning(store, seat, 2, { queueTimeoutSeconds: 60 });
  if (begun === undefined || waiting === undefined) return expect.fail();
  for (const { id, fence, task, terms } of [begun, waiting]) attempts.held.add(id, fence, task, terms);
  const run = { ray_task_id: "r1", node_id: "n1", worker_id: "w1", pid: 7, run_seconds: null, age_seconds: 0.5 };
  attempts.take({ type: "started", execution: begun.id, fence: begun.fence, run });
  for (const each of [begun, waiting]) attempts.take(rejected(each, "UNKNOWN_EXECUTION"));
  await attempts.stop();
  expect(await readRow(sql, begun.id)).toMatchObject({ state: "QUEUED", expires_at: null, infrastructure_losses: 1 });
  expect(await readRow(sql, waiting.id)).toMatchObject({ state: "QUEUED", expires_at: expect.any(Date) });
  const [record] = await sql`select ray_task_id, extract(epoch from finished_at - started_at)::float8 as ran
    from rayferry.ray_task_attempt_ended where execution_id = ${begun.id}`;
  expect(record).toMatchObject({ ray_task_id: "r1", ran: expect.closeTo(0.5, 0) });
});

test("ServerAttempts - the start of what has a deadline is noted before the next beat, should its worker die", async () => {
  const { attempts } = open();
  const [timed, other] = [
    ...(await seedRunning(store, seat, 1, { queueTimeoutSeconds: 60 })),
    ...(await seedRunning(store, seat, 1)),
  ];
  if (timed === undefined || other === undefined) return expect.fail();
  const run = { ray_task_id: "r1", node_id: "n1", worker_id: "w1", pid: 7, run_seconds: null, age_seconds: 0 };
  for (const { id, fence, task, terms } of [timed, other]) {
    attempts.held.add(id, fence, task, terms);
    attempts.take({ type: "started", execution: id, fence, run });
  }
  await waitFor("it is noted", async () => (await readRow(sql, timed.id))["started_at"] !== null, 1_500);
  expect(await readRow(sql, timed.id)).toMatchObject({ expires_at: null, pid: 7 });
  expect(await readRow(sql, other.id)).toMatchObject({ started_at: null });
  await attempts.stop();
});

test("HandBacks - a row that somebody has locked, and one that Postgres refuses, keep back no other", async () => {
  const { attempts } = open();
  const claimed = await hold(attempts, 6);
  const [locked, refused, ...others] = claimed;
  if (locked === undefined || refused === undefined) return expect.fail();
  await sql.unsafe(
    `alter table rayferry.ray_task_execution add constraint own check (id <> '${refused.id}' or state <> 'QUEUED') not valid`,
  );
  await sql.begin(async (tx) => {
    await tx`select from rayferry.ray_task_execution where id = ${locked.id} for update`;
    for (const each of claimed) attempts.take(rejected(each));
    await waitFor("the others to be handed back", () => attempts.held.size === 2);
  });
  await waitFor("the locked one to follow", () => attempts.held.size === 1);
  for (const { id } of [locked, ...others]) expect(await readRow(sql, id)).toMatchObject({ state: "QUEUED" });
  expect(attempts.held.all()).toMatchObject([{ id: refused.id }]);
  await attempts.stop();
  await sql`alter table rayferry.ray_task_execution drop constraint own`;
});
