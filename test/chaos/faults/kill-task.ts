import { readLives } from "../bodies.ts";
import { AT_ONCE, type Fault } from "../fault.ts";
import type { PlannedFault } from "../plan.ts";
import { isOfOurRay } from "./targets.ts";

/** Milliseconds since its last pulse, of one each 100 ms, in which a body is taken to be running. */
const ALIVE = 300;

/** Faults for which a body was enqueued. */
const helped = new WeakSet<PlannedFault>();

export const killTask: Fault = {
  kind: "kill -9 of a Ray task process",
  lasts: AT_ONCE,
  targets: 1,
  async inject(world, planned, load) {
    const lives = await readLives(world.journal);
    const now = Date.now();
    // One that only began may be over before the signal comes, and its process in the middle of another.
    const running = lives.filter(
      ({ begin, end, last, pid }) => end === null && last > begin && now - last < ALIVE && isOfOurRay(world, pid),
    );
    const chosen = running[Math.floor(planned.draw * running.length)];
    if (chosen === undefined) {
      // At the end of a run there may be none left that takes long enough.
      if (!helped.has(planned)) load.add(1, "long");
      helped.add(planned);
      throw new Error("no body runs now");
    }
    process.kill(chosen.pid, "SIGKILL");
    return { what: `process ${chosen.pid}`, kills: 1, executions: [chosen.id] };
  },
};
