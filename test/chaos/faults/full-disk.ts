import { setTimeout as delay } from "node:timers/promises";
import type { Fault } from "../fault.ts";

export const fullDisk: Fault = {
  kind: "a full disk under Postgres",
  lasts: [[4, 9]],
  targets: 1,
  cutsStatements: true,
  missing: (world) => world.postgres.disk.missing,
  async inject(world, { seconds }) {
    const { disk } = world.postgres;
    await disk.fill();
    await delay(seconds * 1_000);
    await disk.free();
    return { what: "no byte left" };
  },
};
