import { AT_ONCE, type Fault, WORKERS } from "../fault.ts";
import { holdersOf, sidecarOf, workerOf } from "./targets.ts";

export const killBoth: Fault = {
  kind: "kill -9 of a worker and its sidecar",
  lasts: AT_ONCE,
  targets: WORKERS,
  async inject(world, { target }) {
    const holders = await holdersOf(world, target);
    const worker = workerOf(world, target);
    process.kill(sidecarOf(world, target), "SIGKILL");
    worker.process.signal("SIGKILL");
    return { what: worker.name, kills: 2, holders };
  },
};
