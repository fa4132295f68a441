import { type Fault, STOPS, WORKERS } from "../fault.ts";
import { stopFor } from "./stop.ts";
import { sidecarOf, workerOf } from "./targets.ts";

export const stopSidecar: Fault = {
  kind: "SIGSTOP of a sidecar",
  lasts: STOPS,
  targets: WORKERS,
  async inject(world, { target, seconds }) {
    await stopFor(sidecarOf(world, target), seconds);
    return { what: workerOf(world, target).name };
  },
};
