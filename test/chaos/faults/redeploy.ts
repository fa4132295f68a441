import { AT_ONCE, type Fault, WORKERS } from "../fault.ts";
import { workerOf } from "./targets.ts";

export const redeploy: Fault = {
  kind: "SIGTERM of a worker, and its next start",
  lasts: AT_ONCE,
  targets: WORKERS,
  async inject(world, { target }) {
    const worker = workerOf(world, target);
    worker.process.signal("SIGTERM");
    return { what: worker.name };
  },
};
