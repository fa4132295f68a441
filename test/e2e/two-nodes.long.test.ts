/** The node of a server dies, which costs its work nothing but time: Ray's until it knows, and ours. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { RayCluster } from "../support/ray-cluster.ts";
import { serverInService } from "../support/servers.ts";
import { waitFor } from "../support/wait-for.ts";

let cluster: RayCluster;

beforeAll(async () => {
  cluster = await RayCluster.start();
});

afterAll(async () => {
  await cluster?.stop();
});

test("the raylet that hosts a server dies - its work is requeued and runs again under a server elsewhere", async () => {
  const node = await cluster.join("127.0.0.4", 1);
  const worker = await cluster.ready("hosted-there", ["--host-on", node.address]);
  expect((await serverInService(cluster.sql, "hosted-there")).endpoint).toMatch(new RegExp(`^tcp://${node.address}:`));
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
