/** G3, again and again: kill -9 of worker, sidecar and both under load; no body runs twice, nothing is lost. */
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { describeRecoveries, KILLS, Killing, type Recovery } from "../support/kill.ts";
import { RayCluster } from "../support/ray-cluster.ts";
import { seededRandom, shuffled } from "../support/seeded-random.ts";
import { SteadyLoad } from "../support/steady-load.ts";

const SEED = Number(process.env["RAYFERRY_TEST_SEED"] ?? Date.now() % 1_000_000);
/** Of each kind. */
const ROUNDS = 6;
/** Milliseconds from a recovery to the next kill. */
const PAUSE = [3_000, 8_000] as const;

let cluster: RayCluster;

beforeAll(async () => {
  cluster = await RayCluster.start({ cpus: 8 });
});

afterAll(async () => {
  await cluster?.stop();
});

test("24 kills, with bodies of 61 to 70 s and ten short ones a second - each body runs once, and nothing is lost", async () => {
  const random = seededRandom(SEED);
  console.log(`kills: seed ${SEED} (RAYFERRY_TEST_SEED)`);
  const load = new SteadyLoad(cluster, {
    long: 4,
    longSeconds: () => 61 + 9 * random(),
    shortSeconds: () => 0.3 * random(),
  });
  const killing = await Killing.start(cluster, load, "killed", random);
  const recoveries: Recovery[] = [];
  for (const kill of shuffled(
    KILLS.flatMap((each) => Array.from({ length: ROUNDS }, () => each)),
    random,
  )) {
    recoveries.push(await killing.kill(kill));
    await delay(PAUSE[0] + (PAUSE[1] - PAUSE[0]) * random());
  }
  await load.finish();
  const lostClaims = await load.expectOnce();
  console.log(describeRecoveries(recoveries));
  const long = load.names.filter((name) => name.startsWith("long-")).length;
  console.log(
    `kills: ${load.names.length} executions, ${long} of them of 61 to 70 s; claims lost before their submit: ${lostClaims}`,
  );
  expect(Math.max(...recoveries.map(({ adopted }) => adopted))).toBeLessThan(15);
  expect(await killing.terminate()).toBe(0);
});
