import type { Rule } from "../finding.ts";

/** Milliseconds: G6 promises one second, and this machine has two cores for everything. */
const TOLERANCE = 5_000;

/** G6: a body runs no longer than its timeout, whoever of those around it is dead or stopped. */
export const timedOut: Rule = {
  name: "timeout not kept",
  *check({ enqueued, lives }) {
    const timeouts = new Map(enqueued.map(({ id, timeout }) => [id, timeout]));
    for (const { id, fence, begin, last } of lives) {
      const timeout = timeouts.get(id) ?? null;
      const late = timeout === null ? 0 : last - begin - timeout * 1_000;
      if (late > TOLERANCE)
        yield [id, `a body of fence ${fence} went on for ${Math.round(late)} ms beyond its timeout`];
    }
  },
};
