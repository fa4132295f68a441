import type { Rule } from "../finding.ts";

/** Milliseconds: G6 promises one second, and this machine has two cores for everything. */
const TOLERANCE = 5_000;
/** Milliseconds from the interrupt to the kill of a body that doesn't heed it: the default of a worker. */
const GRACE = 5_000;

/** G6: a body runs no longer than its timeout, whoever of those around it is dead or stopped. */
export const timedOut: Rule = {
  name: "timeout not kept",
  *check({ enqueued, lives }) {
    const timeouts = new Map(
      enqueued.map(({ id, timeout, deaf }) => [id, timeout === null ? null : timeout * 1_000 + (deaf ? GRACE : 0)]),
    );
    for (const { id, fence, begin, last } of lives) {
      const timeout = timeouts.get(id) ?? null;
      const late = timeout === null ? 0 : last - begin - timeout;
      if (late > TOLERANCE)
        yield [id, `a body of fence ${fence} went on for ${Math.round(late)} ms beyond its timeout`];
    }
  },
};
