import { AT_ONCE, type Fault, WORKERS } from "../fault.ts";
import { holdersOf, signalWorker, workerOf } from "./targets.ts";

export const killWorker: Fault = {
  kind: "kill -9 of a worker",
  lasts: AT_ONCE,
  targets: WORKERS,
  async inject(world, { target }) {
    const holders = await holdersOf(world, target);
    signalWorker(world, target, "SIGKILL");
    return { what: workerOf(world, target).name, kills: 1, holders };
  },
};
