import { AT_ONCE, type Fault, WORKERS } from "../fault.ts";
import { holdersOf, workerOf } from "./targets.ts";

export const killWorker: Fault = {
  kind: "kill -9 of a worker",
  lasts: AT_ONCE,
  targets: WORKERS,
  async inject(world, { target }) {
    const holders = await holdersOf(world, target);
    const worker = workerOf(world, target);
    worker.process.signal("SIGKILL");
    return { what: worker.name, kills: 1, holders };
  },
};
