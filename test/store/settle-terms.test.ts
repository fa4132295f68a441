/** Attempts, retries and times of a task that nobody had registered when it was enqueued. */
import { expect, test } from "vitest";
import { define, type NewDefinition } from "../../src/store/definitions.ts";
import { release } from "../../src/store/release.ts";
import { openSeatedStore } from "../support/seated-store.ts";
import { claimAs, readRow, seedQueued } from "../support/seed.ts";

const { store, sql, seat } = await openSeatedStore();

const TASK: NewDefinition = {
  ...{ name: "t.run", module: "m", kind: "function", queue: "default", num_cpus: 1, doc: null, parameters: [] },
  ...{ max_attempts: 5, retry: { on: ["A"], max_seconds: 9 }, timeout_seconds: 7, queue_timeout_seconds: null },
};

async function claimOne() {
  const [claimed] = await claimAs(store, seat);
  return claimed ?? expect.fail("Nothing was claimed.");
}

test("settleTerms - the first claim gives what the call left open, key by key", async () => {
  const [id = ""] = await seedQueued(store, 1, { retry: { on: ["B"] } });
  await define(store, [TASK]);
  const settled = { maxAttempts: 5, retry: { on: ["B"], max_seconds: 9 }, timeoutSeconds: 7 };
  expect((await claimOne()).terms).toMatchObject(settled);
  expect((await readRow(sql, id))["retry"]).toEqual(settled.retry);
});

test("settleTerms - a call that says how often leaves the rest to the task all the same", async () => {
  const [id = ""] = await seedQueued(store, 1, { maxAttempts: 2, timeoutSeconds: 1 });
  expect(await readRow(sql, id)).toMatchObject({ max_attempts: 2, retry: { unsettled: true } });
  await define(store, [TASK]);
  expect((await claimOne()).terms).toMatchObject({ maxAttempts: 2, retry: TASK.retry, timeoutSeconds: 1 });
  expect((await readRow(sql, id))["retry"]).toEqual(TASK.retry);
});

test("settleTerms - a worker that doesn't know the task settles nothing when it claims it", async () => {
  const [id = ""] = await seedQueued(store);
  const stray = await claimOne();
  expect(stray.terms).toMatchObject({ maxAttempts: 1, retry: null });
  await release(store, seat.holder, [{ id, fence: stray.fence, reason: "", delaySeconds: 0, unknownTask: true }]);
  await define(store, [TASK]);
  expect((await claimOne()).terms).toMatchObject({ maxAttempts: 5, retry: TASK.retry, timeoutSeconds: 7 });
});

test("settleTerms - what was settled stays: a deploy changes new executions", async () => {
  await define(store, [TASK]);
  await seedQueued(store, 1, { maxAttempts: 3 });
  await define(store, [{ ...TASK, max_attempts: 8, retry: null, timeout_seconds: 70 }]);
  expect((await claimOne()).terms).toMatchObject({ maxAttempts: 3, retry: TASK.retry, timeoutSeconds: 7 });
});

test("settleTerms - a task that says nothing: one attempt", async () => {
  const [id = ""] = await seedQueued(store, 1, { retry: { jitter: false } });
  await define(store, [{ ...TASK, max_attempts: null, retry: null, timeout_seconds: null }]);
  expect((await claimOne()).terms).toMatchObject({ maxAttempts: 1, retry: { jitter: false }, timeoutSeconds: null });
  expect(await readRow(sql, id)).toMatchObject({ max_attempts: 1 });
});

test("settleTerms - the deadline is the call's or what was registered at enqueue: a claim gives none", async () => {
  const [id = ""] = await seedQueued(store);
  await define(store, [{ ...TASK, queue_timeout_seconds: 60 }]);
  expect((await claimOne()).terms).toMatchObject({ maxAttempts: 5, expiresInSeconds: null });
  expect((await readRow(sql, id))["expires_at"]).toBeNull();
  await seedQueued(store);
  expect((await claimOne()).terms.expiresInSeconds).toBeCloseTo(60, 0);
});
