import { setTimeout as delay } from "node:timers/promises";
import { waitFor } from "../../support/wait-for.ts";
import type { Fault } from "../fault.ts";

const VERBS = ["enqueue", "claim", "complete"];
/** Milliseconds beyond the planned time. */
const PATIENCE = 10_000;

export const fullDisk: Fault = {
  kind: "a full disk under Postgres",
  lasts: [[4, 9]],
  targets: 1,
  cutsStatements: true,
  missing: (world) => world.postgres.disk.missing,
  async inject(world, { seconds }) {
    const { disk } = world.postgres;
    const { errors } = world.postgres.log;
    await disk.fill();
    await delay(seconds * 1_000);
    // Each in its own time: there has to be something to claim, and something has to end.
    const isSeen = () => VERBS.every((verb) => (errors[`53100 ${verb}`] ?? 0) > 0);
    const all = await waitFor("all have seen it", isSeen, PATIENCE).then(
      () => true,
      () => false,
    );
    await disk.free();
    return { what: `no byte left; ${all ? "" : "not "}all of ${VERBS.join(", ")} have seen it` };
  },
};
