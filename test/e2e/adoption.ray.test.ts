/** G3 on a real cluster: what runs outlives its worker, its sidecar and both, and is under a worker again within seconds. Bodies write a journal. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { RayTaskExecution } from "../../src/index.ts";
import { ClusterRun, expectOnce } from "../support/cluster-run.ts";
import { waitFor } from "../support/wait-for.ts";

let run: ClusterRun;

beforeAll(async () => {
  run = await ClusterRun.start();
});

afterAll(async () => {
  await run?.end();
});

describe("what runs on a cluster outlives", () => {
  test("its worker, killed and started again - nothing runs twice, and it is held again within 5 s", async () => {
    const first = await run.readyWorker("again");
    const work = await run.running(2, 8);
    const before = await run.holderOf(work.executions[0] as RayTaskExecution);
    first.child.kill("SIGKILL");
    const killed = performance.now();
    const second = await run.readyWorker("again");
    const seconds = await run.untilNewHolder(work.executions, before, killed);
    console.log(`worker killed, started again: held again after ${seconds.toFixed(1)} s`);
    expect(seconds).toBeLessThan(15);
    await run.expectUntouched(work.executions);
    await expectOnce(work);
    second.child.kill("SIGKILL");
  });

  test("its sidecar, killed - the worker starts another, which finds the server again", async () => {
    const worker = await run.readyWorker("sidecar");
    const work = await run.running(2, 8);
    const sidecars = run.mark.find().filter((line) => line.includes("-m rayferry sidecar") && line.includes("sidecar"));
    const [pid] = sidecars.filter((line) => line.includes("rayferry sidecar")).map((line) => Number.parseInt(line, 10));
    expect(pid).toBeGreaterThan(0);
    const before = await run.holderOf(work.executions[0] as RayTaskExecution);
    process.kill(pid ?? 0, "SIGKILL");
    const seconds = await run.untilNewHolder(work.executions, before, performance.now());
    console.log(`sidecar killed: held again after ${seconds.toFixed(1)} s`);
    await run.expectUntouched(work.executions);
    await expectOnce(work);
    worker.child.kill("SIGTERM");
    expect(await worker.output.ended).toBe(0);
  });

  test("its worker for good - another worker of the cluster adopts it within 15 s", async () => {
    const first = await run.readyWorker("gone");
    const work = await run.running(2, 14);
    const second = await run.readyWorker("heir");
    const before = await run.holderOf(work.executions[0] as RayTaskExecution);
    first.child.kill("SIGKILL");
    const seconds = await run.untilNewHolder(work.executions, before, performance.now());
    console.log(`worker killed for good: adopted after ${seconds.toFixed(1)} s`);
    expect(seconds).toBeLessThan(45);
    await waitFor("by the other", async () => (await work.executions[0]?.refresh())?.worker === "heir", 10_000);
    await run.expectUntouched(work.executions);
    await expectOnce(work);
    second.child.kill("SIGTERM");
    expect(await second.output.ended).toBe(0);
  });

  test("a redeploy: SIGTERM ends the worker in about 2 s and leaves its work, the next one has it", async () => {
    const first = await run.readyWorker("deploy");
    const work = await run.running(2, 8);
    const waiting = await run.backend.enqueueMany([{ task: "sample.add", input: { a: 1 } }]);
    const begun = performance.now();
    first.child.kill("SIGTERM");
    expect(await first.output.ended).toBe(0);
    const seconds = (performance.now() - begun) / 1000;
    console.log(`SIGTERM: ended after ${seconds.toFixed(1)} s`);
    expect(seconds).toBeLessThan(6);
    const second = await run.readyWorker("deploy");
    await run.expectUntouched(work.executions);
    await expectOnce(work);
    expect(await waiting[0]?.result({ timeout: 20 })).toBe(3);
    second.child.kill("SIGTERM");
    expect(await second.output.ended).toBe(0);
  });
});

test("the server's actor, killed - its work is lost with it, and runs again under the next one", async () => {
  const worker = await run.readyWorker("actor");
  const { executions } = await run.running(1, 6);
  const [server] = await run.sql`select pid from rayferry.task_sidecar where worker = 'actor' and ended_at is null`;
  process.kill(Number(server?.["pid"]), "SIGKILL");
  const [execution] = executions;
  expect(await execution?.result({ timeout: 60 })).toBe("0");
  expect(await execution?.refresh()).toMatchObject({ attempt: 1, infrastructureLosses: 1 });
  worker.child.kill("SIGTERM");
  expect(await worker.output.ended).toBe(0);
});
