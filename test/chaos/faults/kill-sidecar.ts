import { AT_ONCE, type Fault, WORKERS } from "../fault.ts";
import { holdersOf, sidecarOf, workerOf } from "./targets.ts";

export const killSidecar: Fault = {
  kind: "kill -9 of a sidecar",
  lasts: AT_ONCE,
  targets: WORKERS,
  async inject(world, { target }) {
    const holders = await holdersOf(world, target);
    process.kill(sidecarOf(world, target), "SIGKILL");
    return { what: workerOf(world, target).name, kills: 1, holders };
  },
};
