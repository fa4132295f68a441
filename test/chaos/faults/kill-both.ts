import { AT_ONCE, type Fault, WORKERS } from "../fault.ts";
import { holdersOf, sidecarOf, signalWorker, workerOf } from "./targets.ts";

export const killBoth: Fault = {
  kind: "kill -9 of a worker and its sidecar",
  lasts: AT_ONCE,
  targets: WORKERS,
  async inject(world, { target }) {
    const holders = await holdersOf(world, target);
    const sidecar = sidecarOf(world, target);
    signalWorker(world, target, "SIGKILL");
    process.kill(sidecar, "SIGKILL");
    return { what: workerOf(world, target).name, kills: 2, holders };
  },
};
