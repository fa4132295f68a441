import { setTimeout as delay } from "node:timers/promises";
import { type Fault, NETWORKS, STOPS } from "../fault.ts";

export const blackHole: Fault = {
  kind: "a network to Postgres that swallows everything",
  lasts: STOPS,
  targets: NETWORKS,
  async inject(world, { target, seconds }) {
    const network = world.networks[target];
    // What was sent into it arrives afterwards, as late as a network can make it.
    network?.pass("hole");
    await delay(seconds * 1_000);
    network?.pass("freely");
    return { what: `network ${target}` };
  },
};
