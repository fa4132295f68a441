/** The commands that act on executions, queues and workers: what they print, as text and as JSON, and their exit status. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { RayTaskBackend } from "../../src/index.ts";
import { complete } from "../../src/store/complete.ts";
import { drainLease } from "../../src/store/lease.ts";
import { type CliRun, cli } from "../support/cli.ts";
import { collectNotifications } from "../support/notifications.ts";
import { completion, openTestStore, seedOneRunning, seedQueued, seedWorker, taskError } from "../support/seed.ts";

const { url, store, sql, empty, close } = await openTestStore();
const backend = new RayTaskBackend({ databaseUrl: url });
const run = (...args: string[]): Promise<CliRun> => cli(args, { env: { RAYFERRY_DATABASE_URL: url } });

afterAll(async () => {
  await backend.close();
  await close();
});

/** Its JSON document; there is nothing on stderr. */
async function json(...args: string[]): Promise<unknown> {
  const outcome = await run(...args, "--json");
  expect(outcome).toMatchObject({ status: 0, stderr: "" });
  return JSON.parse(outcome.stdout);
}

async function failed(): Promise<string> {
  const seat = await seedWorker(store);
  const held = await seedOneRunning(store, seat, { queue: "f" });
  const end = { state: "FAILED", value: null, contentType: null, error: taskError() } as const;
  await complete(store, seat.holder, [completion(held, end)]);
  return held.id;
}

test("retry, rerun, delete - one after the other", async () => {
  await empty();
  const id = await failed();
  expect(await json("retry", id)).toEqual({ id, state: "QUEUED" });
  const refused = await run("retry", id);
  expect(refused).toMatchObject({ status: 1, stdout: "" });
  expect(refused.stderr).toContain(`Execution ${id} is QUEUED: it runs when a worker takes it`);
  expect((await run("delete", id)).stderr).toContain("Cancel it first.");
  expect(JSON.parse((await run("rerun", id, "--json")).stdout)).toMatchObject({ error: { code: "EXECUTION_STATE" } });
  await backend.cancel(id);
  const rerun = (await json("rerun", id, "--input", '{"n": 2}')) as { id: string; rerunOf: string };
  expect(rerun.rerunOf).toBe(id);
  expect((await backend.get(rerun.id)).input).toEqual({ n: 2 });
  expect((await run("show", rerun.id)).stdout).toMatch(new RegExp(`^rerun of +${id}$`, "m"));
  expect(await run("delete", id)).toMatchObject({ status: 0, stdout: `${id} is deleted.\n` });
  expect((await run("delete", id)).stderr).toContain(`There is no execution ${id}.`);
});

describe("cancel by options", () => {
  beforeAll(empty);

  test("counts and asks: without a terminal, and with --json, it wants --yes", async () => {
    await seedQueued(store, 3, { queue: "a", tags: ["x"] });
    const asked = await run("cancel", "--queue", "a");
    expect(asked).toMatchObject({ status: 2, stdout: "" });
    expect(asked.stderr).toBe(
      "rayferry: This cancels 3 queued and 0 running execution(s). Nothing was cancelled: give --yes if that is meant.\n",
    );
    expect((await run("cancel", "--all", "--json")).status).toBe(2);
    expect((await backend.stats()).QUEUED).toBe(3);
  });

  test("--yes cancels what fits, and nothing else", async () => {
    await seedQueued(store, 2, { queue: "b" });
    await sql`update rayferry.ray_task_execution set created_at = now() - interval '2 hours' where queue = 'b'`;
    expect(await json("cancel", "--older-than", "1h", "--yes", "--reason", "old")).toEqual({
      cancelled: 2,
      cancelling: 0,
    });
    expect((await backend.list({ queue: "b" })).map((each) => each.cancelReason)).toEqual(["old", "old"]);
    expect(JSON.parse((await run("list", "--tag", "x", "--json")).stdout)).toHaveLength(3);
    expect(await run("cancel", "--state", "queued", "--task", "t.run", "--tag", "x", "--yes")).toMatchObject({
      status: 0,
      stdout: "3 CANCELLED, 0 CANCELLING.\n",
    });
    expect((await run("cancel", "--all")).stdout).toBe("Nothing that is live fits: nothing was cancelled.\n");
  });
});

test("pause, queues, resume - what waits says why; a mistyped name is noticed", async () => {
  await empty();
  const woken = await collectNotifications(store, store.names.enqueuedChannel);
  const [id = ""] = await seedQueued(store, 1, { queue: "a" });
  expect(await json("pause", "a", "--reason", "it moves")).toMatchObject({ name: "a", pauseReason: "it moves" });
  expect((await run("show", id)).stdout).toMatch(/^waiting +The queue "a" is paused: it moves \(since /m);
  expect((await run("queues")).stdout).toMatch(/^a +1 +0 +0 +0 +\S+Z +it moves$/m);
  expect((await run("resume", "aa")).stdout).toBe('The queue "aa" wasn\'t paused. Did you mean "a"? Paused: a.\n');
  expect(await woken.take()).toEqual([]);
  expect(await json("resume", "a")).toEqual({ name: "a", resumed: true });
  expect(await woken.take()).toEqual(["a"]);
  expect((await run("pause", "tpyo")).stderr).toContain(
    'no execution is in the queue "tpyo", and no live worker takes',
  );
});

test("drain - 1 while something is left, 0 when nothing is; an unknown name is refused with those there are", async () => {
  await empty();
  // Its lease isn't renewed here.
  const seat = await seedWorker(store, { name: "mill" });
  await sql`update rayferry.task_worker_lease set expires_at = now() + interval '1 hour'`;
  const held = await seedOneRunning(store, seat);
  await drainLease(store, seat.holder);
  const left = await run("drain", "mill", "--wait", "0.1");
  expect(left.status).toBe(1);
  expect(left.stdout).toContain("Worker mill still holds 1 (here:4242 is DRAINING):");
  expect(left.stdout).toContain(held.id);
  const document = await run("drain", "mill", "--wait", "0", "--json");
  expect(document.status).toBe(1);
  expect(JSON.parse(document.stdout)).toMatchObject({ worker: "mill", left: 1, executions: [{ id: held.id }] });
  await complete(store, seat.holder, [completion(held)]);
  expect(await run("drain", "mill")).toMatchObject({
    status: 0,
    stdout: "Worker mill claims no more, and nothing is left.\n",
  });
  expect(await run("drain", "mil")).toMatchObject({ status: 1, stdout: "" });
  expect((await run("drain", "mil")).stderr).toContain('Did you mean "mill"? Live workers: mill.');
});
