import { AT_ONCE, type Fault, WORKERS } from "../fault.ts";
import { signalWorker, workerOf } from "./targets.ts";

export const redeploy: Fault = {
  kind: "SIGTERM of a worker, and its next start",
  lasts: AT_ONCE,
  targets: WORKERS,
  async inject(world, { target }) {
    signalWorker(world, target, "SIGTERM");
    return { what: workerOf(world, target).name };
  },
};
