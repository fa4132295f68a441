/** A server started by hand on a node of a real cluster, and a worker that reaches it over tcp with keys alone. Bodies write a journal. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { ExecutionFailedError, type RayTaskExecution } from "../../src/index.ts";
import { cli } from "../support/cli.ts";
import { ElsewhereStage } from "../support/elsewhere.ts";
import { ProcessMark } from "../support/processes.ts";
import { type RayHead, startRayHead } from "../support/ray-head.ts";
import { ServerProcess } from "../support/server-process.ts";
import { waitFor } from "../support/wait-for.ts";

const mark = new ProcessMark();
let stage: ElsewhereStage;
let head: RayHead;
let keys: string;
let server: ServerProcess;
let journals = 0;

beforeAll(async () => {
  stage = await ElsewhereStage.open();
  head = await startRayHead({});
  keys = join(stage.folder.path, "keys");
  expect((await cli(["keys", "--out", keys])).status).toBe(0);
  server = await serve("tcp://127.0.0.1:0");
});
afterEach(() => stage.clear());
afterAll(async () => {
  await server?.end();
  await stage?.close();
  mark.clear();
  await head?.stop();
});

function serve(listen: string): Promise<ServerProcess> {
  const cluster = ["--runner", "cluster", "--ray-address", head.address];
  const curve = ["--keys", join(keys, "server.key"), "--clients", join(keys, "client.pub")];
  return ServerProcess.start(listen, [...cluster, ...curve], { ...mark.env, RAY_AUTH_MODE: "disabled" });
}

function work(name: string) {
  const curve = ["--keys", join(keys, "client.key"), "--server-key", join(keys, "server.pub")];
  return stage.workerProcess(["--server", server.endpoint, ...curve], name, mark.env);
}

/** Executions whose bodies have begun, and their journal: "begin 0", "end 0", ... */
async function running(count: number, seconds: number) {
  journals += 1;
  const path = join(stage.folder.path, `journal-${journals}`);
  const items = Array.from({ length: count }, (_, index) => ({
    task: "sample.journal",
    input: { path, line: String(index), seconds },
  }));
  const executions = await stage.backend.enqueueMany(items);
  const lines = async () => {
    const text = await readFile(path, "utf8").catch(() => "");
    return text.split("\n").flatMap((line) => (line === "" ? [] : [line.split(" ").slice(0, 2).join(" ")]));
  };
  await waitFor("all bodies have begun", async () => (await lines()).length === count, 30_000);
  return { executions, lines };
}

async function expectUntouched(executions: readonly RayTaskExecution[], lines: () => Promise<string[]>) {
  for (const execution of executions) {
    expect(await execution.result({ timeout: 60 })).toBeTypeOf("string");
    expect(await execution.refresh()).toMatchObject({ state: "SUCCEEDED", attempt: 1, infrastructureLosses: 0 });
  }
  const once = executions.flatMap((_, index) => [`begin ${index}`, `end ${index}`]);
  expect((await lines()).sort()).toEqual(once.sort());
}

const holderOf = async ({ id }: RayTaskExecution) => {
  const [row] = await stage.sql`select holder::text as holder from rayferry.ray_task_execution where id = ${id}`;
  return String(row?.["holder"]);
};

test("tasks run on the cluster, though the worker has neither Python nor an address of Ray", async () => {
  const worker = await work("off-cluster");
  expect(worker.output.text).toContain(head.address.split(":")[1]);
  const added = await stage.backend.enqueue("sample.add", { a: 40 });
  expect(await added.result({ timeout: 30 })).toBe(42);
  expect((await added.refresh()).rayNodeId).toMatch(/^[0-9a-f]{20,}$/);
  const failing = await stage.backend.enqueue("sample.fail", { message: "on Ray" });
  await expect(failing.result({ timeout: 30 })).rejects.toThrow(ExecutionFailedError);
  expect(mark.find().filter((line) => line.includes("-m rayferry sidecar"))).toEqual([]);
  worker.child.kill("SIGTERM");
  expect(await worker.output.ended).toBe(0);
});

test("the worker, killed and started again - its work is held again within seconds, and nothing runs twice", async () => {
  const first = await work("again");
  const { executions, lines } = await running(2, 8);
  const before = await holderOf(executions[0] as RayTaskExecution);
  first.child.kill("SIGKILL");
  const killed = performance.now();
  await work("again");
  await waitFor(
    "another incarnation holds them",
    async () => (await holderOf(executions[0] as RayTaskExecution)) !== before,
  );
  console.log(`worker killed, started again: held again after ${((performance.now() - killed) / 1000).toFixed(1)} s`);
  await expectUntouched(executions, lines);
  expect(server.lives).toBe(1);
});

test("a redeploy: SIGTERM waits for what is short, leaves what is long, and the next worker has it", async () => {
  const first = await work("deploy");
  const { executions, lines } = await running(2, 10);
  first.child.kill("SIGTERM");
  const short = await stage.backend.enqueue("sample.add", { a: 1 });
  await first.output.until(/waiting for running work/);
  first.child.kill("SIGTERM");
  expect(await first.output.ended).toBe(130);
  await work("deploy");
  await expectUntouched(executions, lines);
  expect(await short.result({ timeout: 30 })).toBe(3);
  expect(server.lives).toBe(1);
});

test("the server, killed and started again - its work runs again once its authority is over, never twice at a time", async () => {
  await work("steady");
  const { executions, lines } = await running(1, 8);
  const { endpoint } = server;
  await server.end("SIGKILL");
  const killed = performance.now();
  server = await serve(endpoint);
  expect(await executions[0]?.result({ timeout: 60 })).toBe("0");
  console.log(`server killed, started again: done after ${((performance.now() - killed) / 1000).toFixed(1)} s`);
  expect(await executions[0]?.refresh()).toMatchObject({ attempt: 1, infrastructureLosses: 1 });
  expect(await lines()).toEqual(["begin 0", "begin 0", "end 0"]);
});

test("the worker, gone for longer than the server may act - its work is stopped on the cluster, and run again by the next", async () => {
  const first = await work("gone");
  const { executions, lines } = await running(1, 14);
  first.child.kill("SIGKILL");
  const killed = performance.now();
  const lives = server.lives;
  await waitFor("the server starts over", () => server.lives > lives, 40_000);
  console.log(
    `worker gone: the server serves the next one after ${((performance.now() - killed) / 1000).toFixed(1)} s`,
  );
  await work("next");
  expect(await executions[0]?.result({ timeout: 60 })).toBe("0");
  expect(await lines()).toEqual(["begin 0", "begin 0", "end 0"]);
  expect(await executions[0]?.refresh()).toMatchObject({ attempt: 1, infrastructureLosses: 1, worker: "next" });
  expect(await server.end()).toBe(0);
});
