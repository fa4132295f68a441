import { ConfigurationError } from "../errors.ts";
import type { Keep } from "../store/prune.ts";

/** Days for which what SUCCEEDED, was CANCELLED or EXPIRED is kept. */
export const DEFAULT_KEEP = 7;
/** ... and what FAILED or is LOST: somebody may want to look at it, and to retry it. */
export const DEFAULT_KEEP_FAILED = 30;
/** A hundred years. */
const LONGEST = 36_500;
const DAY = 86_400;

export interface RetentionOptions {
  /** Days for which what SUCCEEDED, was CANCELLED or EXPIRED is kept after its end; default 7. Fractions count; the leading worker removes by its own. */
  readonly keep?: number;
  /** ... and what FAILED or is LOST; default 30. */
  readonly keepFailed?: number;
}

/** @throws ConfigurationError */
export function checkRetention({ keep = DEFAULT_KEEP, keepFailed = DEFAULT_KEEP_FAILED }: RetentionOptions): Keep {
  const seconds = checkDays("keep", keep) * DAY;
  const failed = checkDays("keepFailed", keepFailed) * DAY;
  return { SUCCEEDED: seconds, CANCELLED: seconds, EXPIRED: seconds, FAILED: failed, LOST: failed };
}

function checkDays(name: string, days: number): number {
  if (days >= 0 && days <= LONGEST) return days;
  throw new ConfigurationError(`${name} must be a number of days from 0 to ${LONGEST}, not ${days}.`);
}
