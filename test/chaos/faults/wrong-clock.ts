import { AT_ONCE, type Fault, WORKERS } from "../fault.ts";
import { signalWorker, workerOf } from "./targets.ts";

/** Hours. */
const SHIFTS = [1, -1] as const;

/** The worker goes on with a wall clock that is an hour ahead or behind: see shifted-clock.ts. */
export const wrongClock: Fault = {
  kind: "a worker whose wall clock is wrong",
  lasts: AT_ONCE,
  targets: WORKERS,
  async inject(world, { target, draw }) {
    const hours = SHIFTS[Math.floor(draw * SHIFTS.length)] ?? 1;
    const preload = new URL("../shifted-clock.ts", import.meta.url).href;
    const worker = workerOf(world, target);
    worker.setEnvironment({ NODE_OPTIONS: `--import ${preload}`, CHAOS_CLOCK_HOURS: String(hours) });
    signalWorker(world, target, "SIGTERM");
    return { what: `${worker.name}, ${hours} h` };
  },
};
