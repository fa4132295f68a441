/** New task code, worker by worker, while work goes on: old servers finish what they have and are gone, nothing is lost, nothing runs twice. */
import { writeFile } from "node:fs/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { RayCluster } from "../support/ray-cluster.ts";
import { Deployment } from "../support/redeploy.ts";
import { SteadyLoad } from "../support/steady-load.ts";

let cluster: RayCluster;

beforeAll(async () => {
  cluster = await RayCluster.start({ cpus: 6 });
});

afterAll(async () => {
  await cluster?.stop();
});

test("two workers, one after the other - what is claimed after that has the new code", async () => {
  const deployment = new Deployment(cluster, ["roll-1", "roll-2"]);
  await deployment.roll("A");
  const load = new SteadyLoad(cluster, {
    task: "deploy.journal",
    long: 2,
    longSeconds: () => 5,
    shortSeconds: () => 0.05,
  });
  load.start();
  await load.untilLongOnesRun();
  const rolledAt = await deployment.roll("B");
  await load.untilNextShort();
  const goneAt = await deployment.untilOldServersAreGone();
  await load.finish();
  expect(await load.expectOnce()).toBe(0);
  const { values, last } = await load.valuesBy(rolledAt);
  expect(values).toEqual({ before: ["A", "B"], after: ["B"] });
  console.log(
    `redeploy of two workers: the last server of the old code was gone ${((+goneAt - +(last.get("A") ?? goneAt)) / 1000).toFixed(1)} s after its last result`,
  );
  await deployment.terminate();
});

test("back to the code before, while that one's server still finishes its work - it is in service again", async () => {
  const deployment = new Deployment(cluster, ["back"]);
  const journal = cluster.journal();
  const release = `${journal.path}-release`;
  const enqueue = (line: string) => cluster.backend.enqueue("deploy.journal", { path: journal.path, line, seconds: 0 });
  await deployment.roll("A");
  const held = await cluster.backend.enqueue("deploy.hold", { path: journal.path, line: "held", release });
  await journal.untilBegun(["held"]);
  await deployment.roll("B");
  const second = await enqueue("second");
  expect(await second.result({ timeout: 20 })).toBe("B");
  await deployment.roll("A");
  const third = await enqueue("third");
  expect(await third.result({ timeout: 20 })).toBe("A");
  expect((await held.refresh()).state).toBe("RUNNING");
  await writeFile(release, "");
  expect(await cluster.expectOnce([held, second, third], journal, ["held", "second", "third"])).toBe(0);
  await deployment.untilOldServersAreGone();
  await deployment.terminate();
});
