/**
 * Workers, servers and raylets on different nodes: two or more raylets on this machine. What a server holds outlives the worker's node, and whoever
 * adopts may be anywhere.
 */
import { afterAll, beforeAll, expect, test } from "vitest";
import { RayCluster } from "../support/ray-cluster.ts";
import { serverInService } from "../support/servers.ts";

let cluster: RayCluster;

beforeAll(async () => {
  cluster = await RayCluster.start();
});

afterAll(async () => {
  await cluster?.stop();
});

/** Nothing is enqueued there: such a worker claims nothing. */
const ADOPTS_ONLY = ["--queue", "nothing"];

test("a worker on a node without CPUs - its server is on the head, reached over tcp; that node may die with it", async () => {
  const node = await cluster.join("127.0.0.2", 0);
  const worker = await cluster.ready("container", [], { node });
  const { endpoint, pid } = await serverInService(cluster.sql, "container");
  expect(endpoint).toMatch(/^tcp:\/\/[\d.]+:\d+$/);
  expect(endpoint).not.toContain(node.address);
  const added = await cluster.backend.enqueue("sample.add", { a: 40 });
  expect(await added.result({ timeout: 30 })).toBe(42);

  const heir = await cluster.ready("head-1", ADOPTS_ONLY);
  expect((await serverInService(cluster.sql, "head-1")).endpoint).toMatch(/^ipc:/);
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
  expect((await serverInService(cluster.sql, "there")).endpoint).toMatch(/^ipc:/);
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

test("--host-on with a node that isn't there - is refused with those that are", async () => {
  const worker = cluster.start("nowhere", ["--host-on", "10.9.9.9"]);
  expect(await worker.output.ended).toBe(1);
  expect(worker.output.text).toMatch(
    /rayferry: --host-on 10\.9\.9\.9 is no node of this cluster\..*Alive are: .*the head/,
  );
});
