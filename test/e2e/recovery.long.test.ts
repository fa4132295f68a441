/** G6: what a killed worker ran is under a live worker again, or runs again, in under 15 s at defaults. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { Fleet, type Runner } from "../support/fleet.ts";
import { RayCluster } from "../support/ray-cluster.ts";

/** Kills in each setting. */
const ROUNDS = 6;

let cluster: RayCluster;

beforeAll(async () => {
  cluster = await RayCluster.start({ cpus: 4 });
});

afterAll(async () => {
  await cluster?.stop();
});

const SETTINGS: [runner: Runner, workers: number][] = [
  ["hosted", 1],
  ["hosted", 2],
  ["local", 1],
  ["local", 2],
];

test.each(SETTINGS)(
  "%s, %d worker(s): six kills with bodies of 61 to 70 s - their work goes on in time",
  async (runner, workers) => {
    const fleet = new Fleet(cluster, runner);
    const names = Array.from({ length: workers }, (_, index) => `${runner}-${workers}-${index + 1}`);
    for (const name of names) await fleet.start(name);
    const seconds: number[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      await fleet.keepRunning(workers, () => 61 + 9 * Math.random());
      // Of two, the other takes over; one alone is started again, as its supervisor would.
      seconds.push(await fleet.kill({ atOnce: workers === 1 }));
      await fleet.retire();
    }
    await fleet.finish();
    const sorted = [...seconds].sort((a, b) => a - b);
    const longest = sorted.at(-1) ?? Number.NaN;
    console.log(
      `recovery, ${runner}, ${workers} worker(s): ${ROUNDS} kills, p50 ${sorted[ROUNDS >> 1]?.toFixed(1)} s, max ${longest.toFixed(1)} s`,
    );
    expect(longest).toBeLessThan(15);
  },
);
