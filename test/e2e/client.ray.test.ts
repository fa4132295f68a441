/** A worker that is no node of the cluster, `--ray-address ray://`: its server lives in the cluster all the same, and outlives it. */
import { writeFile } from "node:fs/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { RayCluster } from "../support/ray-cluster.ts";

let cluster: RayCluster;

beforeAll(async () => {
  cluster = await RayCluster.start();
});

afterAll(async () => {
  await cluster?.stop();
});

test("a worker by Ray's client - what runs outlives it, and a worker of the cluster has it then", async () => {
  const first = await cluster.ready("outside", [], { address: await cluster.clientAddress() });
  expect(first.output.text).toMatch(/Connected by Ray's client/);
  const added = await cluster.backend.enqueue("sample.add", { a: 1 });
  expect(await added.result({ timeout: 20 })).toBe(3);
  const journal = cluster.journal();
  const execution = await cluster.backend.enqueue("sample.hold", {
    path: journal.path,
    line: "held",
    release: journal.release,
  });
  await journal.untilBegun(["held"]);
  const before = await cluster.holdersOf([execution]);
  const killed = performance.now();
  first.signal("SIGKILL");
  const heir = await cluster.ready("inside");
  const seconds = await cluster.untilHeldByOthers([execution], before, killed);
  console.log(`by Ray's client, killed for good: adopted after ${seconds.toFixed(1)} s`);
  await writeFile(journal.release, "");
  expect(await cluster.expectOnce([execution], journal, ["held"])).toBe(0);
  expect(await heir.terminate()).toBe(0);
});
