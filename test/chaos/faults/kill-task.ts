import { readLives } from "../bodies.ts";
import { AT_ONCE, type Fault } from "../fault.ts";
import { isOfOurRay } from "./targets.ts";

/** Milliseconds since its last pulse in which a body is taken to be running. */
const ALIVE = 1_000;

export const killTask: Fault = {
  kind: "kill -9 of a Ray task process",
  lasts: AT_ONCE,
  targets: 1,
  async inject(world, { draw }) {
    const now = Date.now();
    const lives = await readLives(world.journal);
    const running = lives.filter(({ end, last, pid }) => end === null && now - last < ALIVE && isOfOurRay(world, pid));
    const chosen = running[Math.floor(draw * running.length)];
    if (chosen === undefined) throw new Error("no body runs now");
    process.kill(chosen.pid, "SIGKILL");
    return { what: `process ${chosen.pid}`, kills: 1, executions: [chosen.id] };
  },
};
