import { AT_ONCE, type Fault, WORKERS } from "../fault.ts";
import { holdersOf, serverOf, workerOf } from "./targets.ts";

export const killServer: Fault = {
  kind: "kill -9 of a server's actor",
  lasts: AT_ONCE,
  targets: WORKERS,
  async inject(world, { target }) {
    const holders = await holdersOf(world, target);
    process.kill(await serverOf(world, target), "SIGKILL");
    return { what: workerOf(world, target).name, kills: 1, holders };
  },
};
