/** Redeploy after redeploy under load, with SIGTERM and with SIGKILL, and back to code whose servers haven't finished yet. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { RayCluster } from "../support/ray-cluster.ts";
import { Deployment } from "../support/redeploy.ts";
import { SteadyLoad } from "../support/steady-load.ts";
import { waitFor } from "../support/wait-for.ts";

const ROLLS = [
  ["B", "SIGTERM"],
  ["C", "SIGKILL"],
  ["B", "SIGTERM"],
  ["D", "SIGKILL"],
] as const;
/** Of the long ones. */
const SECONDS = 20;

let cluster: RayCluster;

beforeAll(async () => {
  cluster = await RayCluster.start({ cpus: 8 });
});

afterAll(async () => {
  await cluster?.stop();
});

test("two workers, four times, with bodies of 20 s - nothing lost, no body twice, and the newest code in the end", async () => {
  const deployment = new Deployment(cluster, ["roll-1", "roll-2"]);
  await deployment.roll("A");
  const load = new SteadyLoad(cluster, {
    task: "deploy.journal",
    long: 4,
    longSeconds: () => SECONDS,
    shortSeconds: () => 0.05,
  });
  load.start();
  await load.untilLongOnesRun();
  for (const [version, signal] of ROLLS) {
    const rolledAt = await deployment.roll(version, signal);
    await waitFor(
      `the new code returns ${version}`,
      () => load.enqueued.some(({ value, execution }) => value === version && execution.createdAt > rolledAt),
      30_000,
    );
  }
  const rolledAt = new Date();
  await load.untilNextShort();
  const goneAt = await deployment.untilOldServersAreGone();
  await load.finish();
  const lostClaims = await load.expectOnce();
  const { values, last } = await load.valuesBy(rolledAt);
  expect(values).toEqual({ before: ["A", "B", "C", "D"], after: ["D"] });
  const lastOld = Math.max(...["A", "B", "C"].map((version) => Number(last.get(version))));
  console.log(
    `redeploys: ${ROLLS.length} of two workers, ${load.names.length} executions; claims lost before their submit: ${lostClaims}; ` +
      `the last old server was gone ${((Number(goneAt) - lastOld) / 1000).toFixed(1)} s after its last result`,
  );
  await deployment.terminate();
});
