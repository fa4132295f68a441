import { setTimeout as delay } from "node:timers/promises";
import { type Fault, NETWORKS } from "../fault.ts";

export const halfOpen: Fault = {
  kind: "connections to Postgres whose other end is gone",
  lasts: [[2, 15]],
  targets: NETWORKS,
  async inject(world, { target, seconds, draw }) {
    const network = world.networks[target];
    const side = draw < 0.5 ? "server" : "client";
    network?.cutOff(side);
    await delay(seconds * 1_000);
    network?.mend();
    return { what: `network ${target}, end of the ${side}` };
  },
};
