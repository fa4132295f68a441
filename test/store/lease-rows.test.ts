/** Rows of `execution_lease`: gone with the attempt, whichever verb ends it. */
import { describe, expect, test } from "vitest";
import { requeueMissing } from "../../src/store/adopt.ts";
import { again } from "../../src/store/again.ts";
import type { ClaimedExecution } from "../../src/store/claim.ts";
import { complete } from "../../src/store/complete.ts";
import { release } from "../../src/store/release.ts";
import { requeue } from "../../src/store/requeue.ts";
import { rescue } from "../../src/store/rescue.ts";
import { openSeatedStore } from "../support/seated-store.ts";
import { completion, seedRunning, taskError } from "../support/seed.ts";

const { store, sql, seat } = await openSeatedStore();

async function leaseRow({ id, fence }: ClaimedExecution): Promise<void> {
  await sql`insert into rayferry.execution_lease (execution_id, fence, holder, server, phase)
    values (${id}, ${fence}, ${seat.holder}, ${seat.server}, 'RUNNING')`;
}

const error = taskError();
const toFollow = { outcome: "FAILED", error, afterSeconds: 1, reason: "" } as const;
const handedBack = { reason: "", delaySeconds: 0, unknownTask: false };

describe("execution_lease - what its holder says has a row loses it; the others' aren't looked for", () => {
  test.each<[string, (each: ClaimedExecution, leased: boolean) => Promise<unknown>]>([
    ["complete", (each, leased) => complete(store, seat.holder, [completion(each, { leased })])],
    ["again", (each, leased) => again(store, seat.holder, [{ ...toFollow, ...completion(each), leased, error }])],
    ["requeue", ({ id, fence }, leased) => requeue(store, seat.holder, [{ id, fence, error, leased }])],
    ["release", ({ id, fence }, leased) => release(store, seat.holder, [{ id, fence, leased, ...handedBack }])],
  ])("%s", async (_verb, end) => {
    const [told, untold] = await seedRunning(store, seat, 2);
    if (told === undefined || untold === undefined) expect.fail();
    await leaseRow(told);
    await leaseRow(untold);
    await end(told, true);
    await end(untold, false);
    const left = await sql`select execution_id from rayferry.execution_lease`;
    expect(left.map((row) => row["execution_id"])).toEqual([untold.id]);
  });

  test("a late write-back takes nobody's", async () => {
    const [held] = await seedRunning(store, seat, 1);
    if (held === undefined) expect.fail();
    await leaseRow(held);
    const late = { ...held, fence: held.fence - 1 };
    await complete(store, seat.holder, [completion(late, { leased: true })]);
    await again(store, seat.holder, [{ ...toFollow, ...completion(late), leased: true, error }]);
    await requeue(store, seat.holder, [{ id: held.id, fence: late.fence, error, leased: true }]);
    await release(store, seat.holder, [{ id: held.id, fence: late.fence, leased: true, ...handedBack }]);
    expect(await sql`select from rayferry.execution_lease`).toHaveLength(1);
  });
});

describe("execution_lease - of a dead holder, whose rows nobody knows of", () => {
  test("rescue", async () => {
    const [held] = await seedRunning(store, seat, 1);
    if (held === undefined) expect.fail();
    await leaseRow(held);
    await sql`update rayferry.task_sidecar set ended_at = now() - interval '10 seconds'`;
    expect(await rescue(store)).toHaveLength(1);
    expect(await sql`select from rayferry.execution_lease`).toEqual([]);
  });

  test("requeueMissing", async () => {
    const [held] = await seedRunning(store, seat, 1);
    if (held === undefined) expect.fail();
    await leaseRow(held);
    await sql`update rayferry.task_worker_lease set state = 'STOPPED'`;
    expect((await requeueMissing(store, seat.server, [seat.holder], [])).requeued).toHaveLength(1);
    expect(await sql`select from rayferry.execution_lease`).toEqual([]);
  });
});
