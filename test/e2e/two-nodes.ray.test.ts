/**
 * Workers, servers and raylets on different nodes: two or more raylets on this machine. What a server holds outlives the worker's node, a server's node
 * that dies costs nothing but time, and whoever adopts may be anywhere.
 */
import { afterAll, beforeAll, expect, test } from "vitest";
import { RayCluster } from "../support/ray-cluster.ts";
import { waitFor } from "../support/wait-for.ts";

let cluster: RayCluster;

beforeAll(async () => {
  cluster = await RayCluster.start();
});

afterAll(async () => {
  await cluster?.stop();
});

/** Of the server that a worker submits to. */
async function serverOf(worker: string): Promise<{ endpoint: string; pid: number }> {
  const [row] = await cluster.sql<{ endpoint: string; pid: number }[]>`
    select endpoint, pid from rayferry.task_sidecar where worker = ${worker} and ended_at is null`;
  return row ?? expect.fail(`no server of ${worker}`);
}

/** Nothing is enqueued there: such a worker claims nothing. */
const ADOPTS_ONLY = ["--queue", "nothing"];

test("a worker on a node without CPUs - its server is on the head, reached over tcp; that node may die with it", async () => {
  const node = await cluster.join("127.0.0.2", 0);
  const worker = await cluster.ready("container", [], { node });
  const { endpoint, pid } = await serverOf("container");
  expect(endpoint).toMatch(/^tcp:\/\/[\d.]+:\d+$/);
  expect(endpoint).not.toContain(node.address);
  const added = await cluster.backend.enqueue("sample.add", { a: 40 });
  expect(await added.result({ timeout: 30 })).toBe(42);

  const heir = await cluster.ready("head-1", ADOPTS_ONLY);
  expect((await serverOf("head-1")).endpoint).toMatch(/^ipc:/);
  const { executions, journal, names } = await cluster.running(2, 14);
  const before = await cluster.holdersOf(executions);
  worker.signal("SIGKILL");
  await node.kill();
  const seconds = await cluster.untilHeldByOthers(executions, before, performance.now());
  console.log(`worker and its raylet killed, server on the head: adopted after ${seconds.toFixed(1)} s`);
  expect(seconds).toBeLessThan(15);
  await cluster.expectOnce(executions, journal, names);
  expect((await executions[0]?.refresh())?.worker).toBe("head-1");
  expect(() => process.kill(pid, 0)).not.toThrow();
  expect(await heir.terminate()).toBe(0);
});

test("--host-on node: a server on a node that isn't the head's - a worker of another node adopts what it holds", async () => {
  const node = await cluster.join("127.0.0.3", 0);
  const worker = await cluster.ready("there", ["--host-on", "node"], { node });
  expect((await serverOf("there")).endpoint).toMatch(/^ipc:/);
  const heir = await cluster.ready("head-2", ADOPTS_ONLY);
  const { executions, journal, names } = await cluster.running(2, 14);
  const before = await cluster.holdersOf(executions);
  worker.signal("SIGKILL");
  const seconds = await cluster.untilHeldByOthers(executions, before, performance.now());
  console.log(`worker killed, its server on another raylet: adopted after ${seconds.toFixed(1)} s`);
  expect(seconds).toBeLessThan(15);
  await cluster.expectOnce(executions, journal, names);
  expect((await executions[0]?.refresh())?.worker).toBe("head-2");
  expect(await heir.terminate()).toBe(0);
});

test("the raylet that hosts a server dies - its work is requeued and runs again under a server elsewhere", async () => {
  const node = await cluster.join("127.0.0.4", 1);
  const worker = await cluster.ready("hosted-there", ["--host-on", node.address]);
  expect((await serverOf("hosted-there")).endpoint).toMatch(new RegExp(`^tcp://${node.address}:`));
  const { executions, journal } = await cluster.running(2, 14);
  const elsewhere = await cluster.ready("head-3");
  await node.kill();
  const killed = performance.now();
  await waitFor("all have begun again", async () => (await journal.said("begin")).length === 4, 60_000);
  const seconds = (performance.now() - killed) / 1000;
  console.log(`the raylet with a server killed: its work runs again after ${seconds.toFixed(1)} s`);
  // Ray says that a killed node is dead up to 14 s later, and an actor of it is only "unavailable" until then.
  expect(seconds).toBeLessThan(45);
  for (const execution of executions) {
    expect(await execution.result({ timeout: 60 })).toBeTypeOf("string");
    expect(await execution.refresh()).toMatchObject({ worker: "head-3", attempt: 1, infrastructureLosses: 1 });
  }
  // Its worker says why it can't go on, and goes on trying.
  await worker.output.until(/--host-on 127\.0\.0\.4 was a node of this cluster and is dead/);
  expect(await Promise.all([worker.terminate(), elsewhere.terminate()])).toEqual([0, 0]);
});

test("--host-on with a node that isn't there - is refused with those that are", async () => {
  const worker = cluster.start("nowhere", ["--host-on", "10.9.9.9"]);
  expect(await worker.output.ended).toBe(1);
  expect(worker.output.text).toMatch(
    /rayferry: --host-on 10\.9\.9\.9 is no node of this cluster\..*Alive are: .*the head/,
  );
});
