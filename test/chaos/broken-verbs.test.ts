/**
 * The checker can fail: write-backs whose fence or holder is ignored are found out. The verbs are the product's own, through a store that changes their text on the
 * way to a real Postgres; so nothing in the product can be switched off.
 */
import { afterAll, beforeEach, expect, test } from "vitest";
import { adopt } from "../../src/store/adopt.ts";
import { complete } from "../../src/store/complete.ts";
import { connect, type Store } from "../../src/store/connection.ts";
import { requeue } from "../../src/store/requeue.ts";
import {
  claimAs,
  completion,
  openTestStore,
  type Seat,
  seedOneRunning,
  seedWorker,
  taskError,
} from "../support/seed.ts";
import { installAudit, readTables } from "./audit.ts";
import { check } from "./checker.ts";
import type { Life } from "./history.ts";
import { EMPTY, enqueued, life } from "./made-history.ts";

const { store, sql, url, empty, close } = await openTestStore();
await installAudit(sql);
const worker = (name: string) => connect({ databaseUrl: url, applicationName: `rayferry worker ${name}`, max: 1 });
const [of, by] = [worker("a"), worker("b")];
let [a, b]: Seat[] = [];

afterAll(async () => {
  await Promise.all([of.close(), by.close()]);
  await close();
});
beforeEach(async () => {
  await empty();
  await sql`truncate chaos.change`;
  a = await seedWorker(store, { name: "a", outlives: true });
  b = await seedWorker(store, { name: "b" });
});

const seat = (which: Seat | undefined): Seat => {
  if (which === undefined) throw new Error("There is no such seat.");
  return which;
};

/** A store on which that part of a statement isn't said; it has to be there. */
function without(on: Store, [part, instead]: readonly [string, string]): Store {
  return {
    ...on,
    async query(text, params) {
      if (!text.includes(part)) throw new Error(`The statement doesn't say "${part}" any more: ${text}`);
      return await on.query(text.replaceAll(part, instead), params);
    },
  };
}

const FENCES = [
  [" and e.fence = r.fence", ""],
  [" and l.fence = r.fence", ""],
] as const;
const HOLDER = [" and e.holder = $2::text::uuid", " and $2::text is not null"] as const;
const returned = (fields: Partial<Life>) => Buffer.from(JSON.stringify({ life: `${fields.id}-${fields.fence}` }));

async function rulesBroken(id: string, lives: readonly Life[]): Promise<string[]> {
  const history = { ...EMPTY, ...(await readTables(sql)), enqueued: [enqueued(id)], lives };
  return [...new Set(check(history).map(({ rule }) => rule))];
}

/** Lost by A, run again by B and recorded; then A's own result comes. */
async function lateAfterTheEnd(late: Store): Promise<string[]> {
  const first = await seedOneRunning(of, seat(a));
  await requeue(of, seat(a).holder, [{ id: first.id, fence: first.fence, error: taskError({ code: "ServerLost" }) }]);
  const [second] = await claimAs(by, seat(b), 1);
  if (second === undefined) throw new Error("Nothing was claimed.");
  const value = (fence: number) => ({ value: returned({ id: first.id, fence }) });
  await complete(by, seat(b).holder, [completion(second, value(second.fence))]);
  await complete(late, seat(a).holder, [completion(first, value(first.fence))]);
  return await rulesBroken(first.id, [
    life(first.id, { fence: first.fence, begin: 1, last: 2 }),
    life(first.id, { fence: second.fence, begin: 3, last: 4 }),
  ]);
}

/** A's first attempt is lost and its second is under way, when a result of the first comes. */
async function lateWhileItRuns(late: Store): Promise<string[]> {
  const first = await seedOneRunning(of, seat(a));
  await requeue(of, seat(a).holder, [{ id: first.id, fence: first.fence, error: taskError({ code: "ServerLost" }) }]);
  const [second] = await claimAs(of, seat(a), 1);
  if (second === undefined) throw new Error("Nothing was claimed.");
  const value = (fence: number) => ({ value: returned({ id: first.id, fence }) });
  await complete(late, seat(a).holder, [completion(first, value(first.fence))]);
  await complete(of, seat(a).holder, [completion(second, value(second.fence))]);
  return await rulesBroken(first.id, [
    life(first.id, { fence: first.fence, begin: 1, last: 2 }),
    life(first.id, { fence: second.fence, begin: 3, last: 4 }),
  ]);
}

/** Adopted by B, when A, which was only stopped for a while, writes the result. */
async function lateAfterAdoption(late: Store): Promise<string[]> {
  const first = await seedOneRunning(of, seat(a));
  await sql`update rayferry.task_worker_lease set state = 'LOST' where id = ${seat(a).holder}`;
  const inventory = [{ id: first.id, fence: first.fence }];
  await adopt(by, { holder: seat(b).holder, worker: "b", server: seat(a).server, inventory });
  const ended = completion(first, { value: returned({ id: first.id, fence: first.fence }) });
  await complete(late, seat(a).holder, [ended]);
  await complete(by, seat(b).holder, [ended]);
  return await rulesBroken(first.id, [life(first.id, { fence: first.fence })]);
}

const anybody = () => [...FENCES, HOLDER].reduce(without, of);

test("broken fence and holder - an end that is written over", async () => {
  expect(await lateAfterTheEnd(of)).toEqual([]);
  await empty();
  [a, b] = [await seedWorker(store, { name: "a" }), await seedWorker(store, { name: "b" })];
  expect(await lateAfterTheEnd(anybody())).toContain("recorded twice");
});

test("broken fence - a result of an earlier attempt", async () => {
  expect(await lateWhileItRuns(of)).toEqual([]);
  expect(await lateWhileItRuns(FENCES.reduce(without, of))).toContain("not what the body did");
});

test("broken holder - a result of a worker that doesn't hold it any more", async () => {
  expect(await lateAfterAdoption(of)).toEqual([]);
  a = await seedWorker(store, { name: "a", outlives: true });
  expect(await lateAfterAdoption(without(of, HOLDER))).toContain("written by another");
});
