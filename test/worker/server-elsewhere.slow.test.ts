/** A server that somebody started by hand, and what becomes of its work when it or its worker is gone. Slow: each waits for a lease or an authority. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import type { RayTaskExecution } from "../../src/index.ts";
import { createTestDatabase } from "../support/database.ts";
import { ElsewhereStage } from "../support/elsewhere.ts";
import { waitFor } from "../support/wait-for.ts";

let stage: ElsewhereStage;
let journals = 0;

beforeAll(async () => {
  stage = await ElsewhereStage.open();
});
afterEach(() => stage.clear());
afterAll(() => stage?.close());

/** An execution that has begun, and the words of its journal: begin, end. */
async function running(seconds: number): Promise<{ execution: RayTaskExecution; words: () => Promise<string[]> }> {
  journals += 1;
  const path = join(stage.folder.path, `journal-${journals}`);
  const execution = await stage.backend.enqueue("sample.journal", { path, line: "0", seconds });
  const words = async () =>
    (await readFile(path, "utf8").catch(() => "")).split("\n").flatMap((line) => line.split(" ").slice(0, 1));
  await waitFor("it has begun", async () => (await words()).includes("begin"));
  return { execution, words: async () => (await words()).filter((word) => word !== "") };
}

test("a worker that is killed and started again - what ran is held again within seconds, and runs once", async () => {
  const server = await stage.serve();
  const first = await stage.workerProcess(["--server", server.endpoint], "killed");
  const { execution, open } = await stage.heldExecution();
  first.child.kill("SIGKILL");
  const killed = performance.now();
  await stage.workerProcess(["--server", server.endpoint], "killed");
  console.log(`worker killed, started again: ready after ${((performance.now() - killed) / 1000).toFixed(1)} s`);
  await open();
  expect(await execution.result({ timeout: 10 })).toBe(server.pid);
  expect(await execution.refresh()).toMatchObject({ attempt: 1, infrastructureLosses: 0 });
  expect(await stage.backend.attempts(execution.id)).toHaveLength(1);
  expect(server.lives).toBe(1);
});

test("a worker that is killed while another stands by - that one adopts its work before its authority ends", async () => {
  const server = await stage.serve();
  const first = await stage.workerProcess(["--server", server.endpoint], "first");
  const { execution, words } = await running(9);
  const second = stage.worker(server.endpoint);
  const started = second.worker.start();
  await waitFor("it stands by", () => second.said.some((each) => each.includes("Standing by")));
  first.child.kill("SIGKILL");
  const killed = performance.now();
  await started;
  console.log(
    `killed: another worker has its server and work after ${((performance.now() - killed) / 1000).toFixed(1)} s`,
  );
  expect((await execution.refresh()).worker).toBe(second.name);
  expect(await execution.result({ timeout: 20 })).toBe("0");
  expect(await words()).toEqual(["begin", "end"]);
  expect(await execution.refresh()).toMatchObject({ attempt: 1, infrastructureLosses: 0 });
  expect(server.lives).toBe(1);
}, 60_000);

test("a worker that is killed while no other comes - the server stops its work and serves the next worker, which runs it again", async () => {
  const server = await stage.serve();
  const first = await stage.workerProcess(["--server", server.endpoint], "alone");
  const { execution, words } = await running(12);
  first.child.kill("SIGKILL");
  await waitFor("the server starts over", () => server.lives === 2, 20_000);
  expect(await words()).toEqual(["begin"]);
  expect(await execution.refresh()).toMatchObject({ state: "RUNNING", worker: "alone" });
  const next = stage.worker(server.endpoint);
  await next.worker.start();
  expect(await execution.result({ timeout: 40 })).toBe("0");
  expect(await words()).toEqual(["begin", "begin", "end"]);
  expect(await execution.refresh()).toMatchObject({ attempt: 1, infrastructureLosses: 1, worker: next.name });
}, 90_000);

test("a server that is killed and started again - its work is run again, not before its authority would have ended", async () => {
  const first = await stage.serve();
  const { worker } = stage.worker(first.endpoint);
  await worker.start();
  const { execution, words } = await running(3);
  await first.end("SIGKILL");
  const killed = performance.now();
  await stage.serve(first.endpoint);
  await waitFor("it begins again", async () => (await words()).length === 2, 30_000);
  const seconds = (performance.now() - killed) / 1000;
  console.log(`server killed, started again: its work began again after ${seconds.toFixed(1)} s`);
  expect(seconds).toBeGreaterThan(7);
  expect(await execution.result({ timeout: 20 })).toBe("0");
  expect(await words()).toEqual(["begin", "begin", "end"]);
  expect(await execution.refresh()).toMatchObject({ attempt: 1, infrastructureLosses: 1 });
}, 60_000);

test("a server that works for another database - is said to, and tried again", async () => {
  const server = await stage.serve();
  const first = stage.worker(server.endpoint);
  await first.worker.start();
  const other = await createTestDatabase();
  const second = stage.worker(server.endpoint, { databaseUrl: other.url });
  const started = second.worker.start();
  await waitFor("it says so", () => second.said.some((each) => each.includes("isn't known to this database")));
  await first.worker.stop();
  await started;
  await second.worker.stop();
  await other.drop();
}, 60_000);
