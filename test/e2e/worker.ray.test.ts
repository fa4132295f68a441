/** `rayferry worker` beside a Ray head that was there before it. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import postgres from "postgres";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { freePort } from "../../src/dev/free-port.ts";
import { ExecutionCancelledError, ExecutionFailedError, RayTaskBackend } from "../../src/index.ts";
import { cli, startCli } from "../support/cli.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { Output } from "../support/output.ts";
import { ProcessMark } from "../support/processes.ts";
import { type RayHead, startRayHead } from "../support/ray-head.ts";
import { temporaryFolder } from "../support/sync-worker.ts";
import { waitFor } from "../support/wait-for.ts";

describe("rayferry worker on an existing cluster", () => {
  const mark = new ProcessMark();
  let database: TestDatabase;
  let backend: RayTaskBackend;
  let head: RayHead;

  beforeAll(async () => {
    database = await createTestDatabase();
    backend = new RayTaskBackend({ databaseUrl: database.url });
    head = await startRayHead({});
  });

  afterAll(async () => {
    await backend?.close();
    mark.clear();
    await head?.stop();
    await database?.drop();
  });

  const env = () => ({ ...mark.env, RAYFERRY_DATABASE_URL: database.url, RAY_AUTH_MODE: "disabled" });
  const start = (...args: string[]) => {
    const child = startCli(["worker", "--tasks", "sample_tasks", "--ray-address", head.address, ...args], {
      env: env(),
    });
    return { child, output: new Output(child) };
  };

  test("tasks - run in processes of that cluster, fail and are cancelled there; SIGTERM ends the worker with 0", async () => {
    const { child, output } = start("--name", "beside-head");
    await output.until(/worker is ready/);
    expect(output.text).toContain(head.address.split(":")[1]);

    const added = await backend.enqueue("sample.add", { a: 40 });
    expect(await added.result({ timeout: 30 })).toBe(42);
    const { rayNodeId, rayTaskId, rayWorkerId } = await added.refresh();
    expect([rayNodeId, rayTaskId, rayWorkerId].every((each) => /^[0-9a-f]{20,}$/.test(each ?? ""))).toBe(true);

    const failing = await backend.enqueue("sample.fail", { message: "on Ray" });
    await expect(failing.result({ timeout: 30 })).rejects.toThrow(ExecutionFailedError);

    const running = await backend.enqueue("sample.sleep", { seconds: 600 });
    await waitFor("it is claimed", async () => (await running.refresh()).state === "RUNNING");
    await running.cancel();
    await expect(running.result({ timeout: 20 })).rejects.toThrow(ExecutionCancelledError);

    await stopsWhatIsEndedByHand();
    child.kill("SIGTERM");
    expect(await output.ended).toBe(0);
    expect(mark.find()).toEqual([]);
  });

  /** A running execution whose row somebody cancels or deletes with psql: its process stops, each within a few seconds. */
  async function stopsWhatIsEndedByHand(): Promise<void> {
    const sql = postgres(database.url, { max: 1, onnotice: () => {} });
    const folder = await temporaryFolder();
    const journal = join(folder.path, "journal");
    const isBegun = async (line: string) => (await readFile(journal, "utf8").catch(() => "")).includes(`begin ${line}`);
    const lastBeat = async (line: string) =>
      (await readFile(journal, "utf8")).split("\n").findLast((each) => each.includes(line));
    const run = async (line: string) => {
      const execution = await backend.enqueue("sample.pulse", { path: journal, line, seconds: 600 });
      await waitFor(`${line} has begun`, () => isBegun(line));
      return execution;
    };
    const cancelled = await run("cancelled");
    await sql`update rayferry.ray_task_execution set state = 'CANCELLED' where id = ${cancelled.id}`;
    await expect(cancelled.result({ timeout: 20 })).rejects.toThrow(ExecutionCancelledError);
    expect(await cancelled.refresh()).toMatchObject({ state: "CANCELLED", attempt: 1 });
    const deleted = await run("deleted");
    await sql`delete from rayferry.ray_task_execution where id = ${deleted.id}`;
    const gone = performance.now();
    await waitFor("it beats no more", async () => {
      const before = await lastBeat("deleted");
      await sleep(300);
      return (await lastBeat("deleted")) === before;
    });
    console.log(`stopped ${((performance.now() - gone) / 1000).toFixed(1)} s after its row was deleted`);
    expect(performance.now() - gone).toBeLessThan(5_000);
    expect(await readFile(journal, "utf8")).not.toContain("end ");
    await Promise.all([sql.end(), folder.remove()]);
  }

  test("what Ray has no room for - is seen waiting, and expires at its deadline; what runs tells how far it is", async () => {
    const { child, output } = start("--name", "full", "--concurrency", "3");
    await output.until(/worker is ready/);
    const folder = await temporaryFolder();
    const gate = join(folder.path, "gate");
    const tell = { path: gate, current: 3, total: 10, message: "three" };
    const running = await backend.enqueueMany([1, 2].map(() => ({ task: "sample.tell", input: tell })));
    const lease = async () => (await backend.workers()).find((each) => each.name === "full");
    await waitFor("both run", async () => (await lease())?.running === 2, 20_000);
    const waiting = await backend.enqueue("sample.add", { a: 1 }, { queueTimeout: 6 });
    await waitFor("it is held", async () => (await waiting.refresh()).phase === "PENDING");
    expect(await lease()).toMatchObject({ running: 2, pending: 1, slots: 3, ray: { cpus: 2, reachable: true } });
    await expect(waiting.result({ timeout: 20 })).rejects.toMatchObject({ code: "EXECUTION_EXPIRED" });
    const { finishedAt, expiresAt, attempt } = await waiting.refresh();
    expect((finishedAt?.getTime() ?? Number.NaN) - (expiresAt?.getTime() ?? Number.NaN)).toBeLessThan(1_000);
    expect(attempt).toBe(0);
    const [first] = running;
    const told = { state: "RUNNING", phase: "RUNNING", progress: { current: 3, total: 10, message: "three" } };
    await waitFor("its progress is written", async () => (await first?.refresh())?.progress !== null);
    expect(await first?.refresh()).toMatchObject({ ...told, pid: expect.any(Number), rayNodeId: expect.any(String) });
    await writeFile(gate, "");
    for (const each of running) expect(await each.result({ timeout: 20 })).toBeNull();
    child.kill("SIGTERM");
    expect(await output.ended).toBe(0);
    await folder.remove();
  });

  test("a process that dies again and again - ends FAILED with its cause, not in a loop", async () => {
    const { child, output } = start("--name", "crashes");
    await output.until(/worker is ready/);
    const execution = await backend.enqueue("sample.die");
    await expect(execution.result({ timeout: 60 })).rejects.toMatchObject({ error: { code: "ProcessCrashed" } });
    expect((await backend.attempts(execution.id)).map((each) => each.outcome)).toEqual(["LOST", "LOST", "FAILED"]);
    child.kill("SIGTERM");
    expect(await output.ended).toBe(0);
  });

  test("timeouts are kept where it runs, and tried again; a process that is killed each time ends FAILED", async () => {
    const { child, output } = start("--name", "retries", "--tasks", "retry_tasks");
    await output.until(/worker is ready/);
    const folder = await temporaryFolder();
    const [slow, killed] = await Promise.all([
      backend.enqueue("retry.slow_first", { path: join(folder.path, "slow") }),
      backend.enqueue("retry.killed", { path: join(folder.path, "killed") }),
    ]);
    expect(await slow.result({ timeout: 30 })).toBe("in time");
    const [timedOut, last] = await backend.attempts(slow.id);
    expect(timedOut).toMatchObject({ attempt: 1, outcome: "TIMED_OUT", error: { code: "Timeout" } });
    expect(timedOut?.runSeconds).toBeGreaterThanOrEqual(0.5);
    expect(timedOut?.runSeconds).toBeLessThan(1.5);
    expect(last).toMatchObject({ attempt: 2, outcome: "SUCCEEDED" });
    expect(timedOut?.rayTaskId).not.toBe(last?.rayTaskId);

    await expect(killed.result({ timeout: 60 })).rejects.toMatchObject({ error: { code: "ProcessCrashed" } });
    const attempts = await backend.attempts(killed.id);
    expect(attempts.map(({ outcome, attempt }) => [outcome, attempt])).toEqual([
      ["LOST", 1],
      ["LOST", 1],
      ["FAILED", 1],
    ]);
    expect(attempts.at(-1)?.why).toContain("for the 3rd time in a row");
    console.log(attempts.map(({ why }) => why).join("\n"));
    expect((await readFile(join(folder.path, "killed"), "utf8")).length).toBe(3);
    child.kill("SIGTERM");
    expect(await output.ended).toBe(0);
    await folder.remove();
  });

  test("kill -9 of a worker whose server is in its sidecar - a second worker runs its work again within 15 s", async () => {
    const first = start("--attached", "--name", "first", "--concurrency", "1");
    await first.output.until(/worker is ready/);
    const execution = await backend.enqueue("sample.sleep", { seconds: 8 });
    await waitFor("it runs", async () => (await execution.refresh()).state === "RUNNING");
    const second = start("--name", "second");
    await second.output.until(/worker is ready/);
    expect((await execution.refresh()).worker).toBe("first");
    first.child.kill("SIGKILL");
    const killed = performance.now();
    await waitFor("the second one has it", async () => (await execution.refresh()).worker === "second", 45_000);
    const seconds = (performance.now() - killed) / 1000;
    console.log(`under a live worker again ${seconds.toFixed(1)} s after kill -9`);
    expect(await execution.result({ timeout: 30 })).toBe("slept");
    expect(await execution.refresh()).toMatchObject({ attempt: 1, infrastructureLosses: 1 });
    second.child.kill("SIGTERM");
    expect(await second.output.ended).toBe(0);
  });

  test("no Ray at the address - is said in seconds, in a sentence", async () => {
    const begun = performance.now();
    const outcome = await cli(
      ["worker", "--tasks", "sample_tasks", "--ray-address", `127.0.0.1:${await freePort()}`, "--name", "lost"],
      { env: env() },
    );
    expect(outcome.status).toBe(1);
    expect(outcome.stderr).toMatch(/rayferry: .*No Ray|rayferry: .*Ray/);
    expect(outcome.stderr).not.toMatch(/^\s+at /m);
    expect(performance.now() - begun).toBeLessThan(10_000);
    console.log(outcome.stderr.trim());
  });
});
