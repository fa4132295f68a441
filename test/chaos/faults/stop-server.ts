import { type Fault, STOPS, WORKERS } from "../fault.ts";
import { stopFor } from "./stop.ts";
import { serverOf, workerOf } from "./targets.ts";

export const stopServer: Fault = {
  kind: "SIGSTOP of a server's actor",
  lasts: STOPS,
  targets: WORKERS,
  async inject(world, { target, seconds }) {
    await stopFor(await serverOf(world, target), seconds);
    return { what: workerOf(world, target).name };
  },
};
