/** G3 on a real cluster: what runs outlives its worker, its sidecar and both, and is under a worker again within seconds. Bodies write a journal. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import postgres from "postgres";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { RayTaskBackend, type RayTaskExecution } from "../../src/index.ts";
import { startCli } from "../support/cli.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { Output } from "../support/output.ts";
import { ProcessMark } from "../support/processes.ts";
import { type RayHead, startRayHead } from "../support/ray-head.ts";
import { waitFor } from "../support/wait-for.ts";

const mark = new ProcessMark();
let database: TestDatabase;
let backend: RayTaskBackend;
let head: RayHead;
let sql: postgres.Sql;
let journals = 0;

beforeAll(async () => {
  database = await createTestDatabase();
  backend = new RayTaskBackend({ databaseUrl: database.url });
  sql = postgres(database.url, { max: 1, onnotice: () => {} });
  head = await startRayHead({});
});

afterAll(async () => {
  await backend?.close();
  await sql?.end();
  mark.clear();
  await head?.stop();
  await database?.drop();
});

function start(name: string, ...args: string[]) {
  const env = { ...mark.env, RAYFERRY_DATABASE_URL: database.url, RAY_AUTH_MODE: "disabled" };
  const child = startCli(
    ["worker", "--tasks", "sample_tasks", "--ray-address", head.address, "--name", name, ...args],
    { env },
  );
  return { child, output: new Output(child) };
}

async function ready(name: string, ...args: string[]) {
  const worker = start(name, ...args);
  await worker.output.until(/worker is ready/);
  return worker;
}

/** Executions that run for `seconds`, and the journal of their bodies. */
async function running(count: number, seconds: number) {
  journals += 1;
  const path = join(mark.folder, `journal-${journals}`);
  const items = Array.from({ length: count }, (_, index) => ({
    task: "sample.journal",
    input: { path, line: String(index), seconds },
  }));
  const executions = await backend.enqueueMany(items);
  const lines = async () => (await readFile(path, "utf8").catch(() => "")).split("\n").filter(Boolean);
  await waitFor("all bodies have begun", async () => (await lines()).length === count, 30_000);
  return { executions, lines };
}

/** Each body began and ended once. */
async function expectOnce(lines: () => Promise<string[]>, count: number): Promise<void> {
  const all = await lines();
  for (const word of ["begin", "end"]) {
    const said = all.filter((line) => line.startsWith(`${word} `)).map((line) => line.split(" ")[1]);
    expect(said.sort()).toEqual(Array.from({ length: count }, (_, index) => String(index)).sort());
  }
}

async function expectUnderNewHolder(executions: readonly RayTaskExecution[], before: string, since: number) {
  const ids = executions.map(({ id }) => id);
  const holders = async () =>
    await sql`select distinct holder::text as holder from rayferry.ray_task_execution where id in ${sql(ids)} and holder is not null`;
  await waitFor(
    "another incarnation holds them",
    async () => (await holders()).every(({ holder }) => holder !== before),
    30_000,
  );
  return (performance.now() - since) / 1000;
}

async function holderOf({ id }: RayTaskExecution): Promise<string> {
  const [row] = await sql`select holder::text as holder from rayferry.ray_task_execution where id = ${id}`;
  return String(row?.["holder"]);
}

async function expectUntouched(executions: readonly RayTaskExecution[]): Promise<void> {
  for (const execution of executions) {
    expect(await execution.result({ timeout: 60 })).toBeTypeOf("string");
    expect(await execution.refresh()).toMatchObject({ state: "SUCCEEDED", attempt: 1, infrastructureLosses: 0 });
    expect(await backend.attempts(execution.id)).toHaveLength(1);
  }
}

describe("what runs on a cluster outlives", () => {
  test("its worker, killed and started again - nothing runs twice, and it is held again within 5 s", async () => {
    const first = await ready("again");
    const { executions, lines } = await running(2, 8);
    const before = await holderOf(executions[0] as RayTaskExecution);
    first.child.kill("SIGKILL");
    const killed = performance.now();
    const second = await ready("again");
    const seconds = await expectUnderNewHolder(executions, before, killed);
    console.log(`worker killed, started again: held again after ${seconds.toFixed(1)} s`);
    expect(seconds).toBeLessThan(15);
    await expectUntouched(executions);
    await expectOnce(lines, 2);
    second.child.kill("SIGKILL");
  });

  test("its sidecar, killed - the worker starts another, which finds the server again", async () => {
    const worker = await ready("sidecar");
    const { executions, lines } = await running(2, 8);
    const sidecars = mark.find().filter((line) => line.includes("-m rayferry sidecar") && line.includes("sidecar"));
    const [pid] = sidecars.filter((line) => line.includes("rayferry sidecar")).map((line) => Number.parseInt(line, 10));
    expect(pid).toBeGreaterThan(0);
    const before = await holderOf(executions[0] as RayTaskExecution);
    process.kill(pid ?? 0, "SIGKILL");
    const seconds = await expectUnderNewHolder(executions, before, performance.now());
    console.log(`sidecar killed: held again after ${seconds.toFixed(1)} s`);
    await expectUntouched(executions);
    await expectOnce(lines, 2);
    worker.child.kill("SIGTERM");
    expect(await worker.output.ended).toBe(0);
  });

  test("its worker for good - another worker of the cluster adopts it within 15 s", async () => {
    const first = await ready("gone");
    const { executions, lines } = await running(2, 14);
    const second = await ready("heir");
    const before = await holderOf(executions[0] as RayTaskExecution);
    first.child.kill("SIGKILL");
    const seconds = await expectUnderNewHolder(executions, before, performance.now());
    console.log(`worker killed for good: adopted after ${seconds.toFixed(1)} s`);
    expect(seconds).toBeLessThan(45);
    await waitFor("by the other", async () => (await executions[0]?.refresh())?.worker === "heir", 10_000);
    await expectUntouched(executions);
    await expectOnce(lines, 2);
    second.child.kill("SIGTERM");
    expect(await second.output.ended).toBe(0);
  });

  test("a redeploy: SIGTERM ends the worker in about 2 s and leaves its work, the next one has it", async () => {
    const first = await ready("deploy");
    const { executions, lines } = await running(2, 8);
    const waiting = await backend.enqueueMany([{ task: "sample.add", input: { a: 1 } }]);
    const begun = performance.now();
    first.child.kill("SIGTERM");
    expect(await first.output.ended).toBe(0);
    const seconds = (performance.now() - begun) / 1000;
    console.log(`SIGTERM: ended after ${seconds.toFixed(1)} s`);
    expect(seconds).toBeLessThan(6);
    const second = await ready("deploy");
    await expectUntouched(executions);
    await expectOnce(lines, 2);
    expect(await waiting[0]?.result({ timeout: 20 })).toBe(3);
    second.child.kill("SIGTERM");
    expect(await second.output.ended).toBe(0);
  });
});

test("the server's actor, killed - its work is lost with it, and runs again under the next one", async () => {
  const worker = await ready("actor");
  const { executions } = await running(1, 6);
  const [server] = await sql`select pid from rayferry.task_sidecar where worker = 'actor' and ended_at is null`;
  process.kill(Number(server?.["pid"]), "SIGKILL");
  const [execution] = executions;
  expect(await execution?.result({ timeout: 60 })).toBe("0");
  expect(await execution?.refresh()).toMatchObject({ attempt: 1, infrastructureLosses: 1 });
  worker.child.kill("SIGTERM");
  expect(await worker.output.ended).toBe(0);
});
