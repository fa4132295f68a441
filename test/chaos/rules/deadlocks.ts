import type { Rule } from "../finding.ts";

/** Locks are taken in a fixed order. */
export const deadlocks: Rule = {
  name: "deadlock",
  *check({ databaseErrors }) {
    const count = databaseErrors["40P01"] ?? 0;
    if (count > 0) yield [null, `Postgres ended ${count} deadlocks`];
  },
};
