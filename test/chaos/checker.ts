import type { Finding } from "./finding.ts";
import type { History } from "./history.ts";
import { RULES } from "./rules/index.ts";

/** Everything in this history that must not be. */
export function check(history: History): Finding[] {
  return RULES.flatMap(({ name, check: find }) =>
    [...find(history)].map(([id, message]) => ({ rule: name, id, message })),
  );
}
