import { type Fault, STOPS, WORKERS } from "../fault.ts";
import { stopFor } from "./stop.ts";
import { workerOf } from "./targets.ts";

export const stopWorker: Fault = {
  kind: "SIGSTOP of a worker",
  lasts: STOPS,
  targets: WORKERS,
  async inject(world, { target, seconds }) {
    const worker = workerOf(world, target);
    const { pid } = worker.process.child;
    if (pid === undefined) throw new Error("it isn't running now");
    await stopFor(pid, seconds);
    return { what: worker.name };
  },
};
