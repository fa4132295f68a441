/** When a failed attempt is followed by another: the shape that the registry, the column `retry` and the options of a call share. */

/** Seconds between attempts, before cap and jitter. */
export type Backoff =
  | { readonly kind: "fixed"; readonly seconds: number }
  /** `seconds` after the first failure, then times `factor` each. */
  | { readonly kind: "exponential"; readonly seconds: number; readonly factor: number }
  /** The last one again and again. */
  | { readonly kind: "list"; readonly seconds: readonly number[] };

export interface RetryPolicy {
  readonly backoff: Backoff;
  /** Cap of a backoff, in seconds. */
  readonly max_seconds: number;
  /** Full jitter: anything from 0 to the backoff. */
  readonly jitter: boolean;
  /** Only errors of these classes, or with one among their bases; null: any. */
  readonly on: readonly string[] | null;
  /** Never errors of these classes, or with one among their bases. */
  readonly never_on: readonly string[];
  /** Attempts that infrastructure may take before the execution is LOST. */
  readonly losses: number;
}

/** What a task or a call says of it; the call's keys win over the task's, both over the default. */
export type PartialRetry = Partial<RetryPolicy> & {
  /** Only in the column: the task, which nobody had registered yet, has still to say its part. */
  readonly unsettled?: true;
};

export const DEFAULT_RETRY: RetryPolicy = {
  backoff: { kind: "exponential", seconds: 1, factor: 2 },
  max_seconds: 300,
  jitter: true,
  on: null,
  never_on: [],
  losses: 10,
};

/** Longest time that may be asked for, 31 years: Postgres and every clock can add it to now. */
export const MAX_SECONDS = 1_000_000_000;

/**
 * The whole policy: what is said, over the default. The column can be written by hand, so that what can't be meant counts as not said: an attempt
 * has to end all the same.
 */
export function policyOf(said: PartialRetry | null): RetryPolicy {
  const given = (said ?? {}) as Readonly<Record<string, unknown>>;
  return {
    backoff: isBackoff(given["backoff"]) ? given["backoff"] : DEFAULT_RETRY.backoff,
    max_seconds: isSeconds(given["max_seconds"]) ? given["max_seconds"] : DEFAULT_RETRY.max_seconds,
    jitter: typeof given["jitter"] === "boolean" ? given["jitter"] : DEFAULT_RETRY.jitter,
    on: isNames(given["on"]) ? given["on"] : DEFAULT_RETRY.on,
    never_on: isNames(given["never_on"]) ? given["never_on"] : DEFAULT_RETRY.never_on,
    losses: isSeconds(given["losses"]) ? given["losses"] : DEFAULT_RETRY.losses,
  };
}

/** Seconds to wait after the try `attempt` (from 1) has failed. `random`, from 0 to 1, is the jitter's. */
export function backoffSeconds(policy: RetryPolicy, attempt: number, random: number): number {
  const capped = Math.min(uncapped(policy.backoff, attempt), policy.max_seconds, MAX_SECONDS);
  return policy.jitter ? capped * random : capped;
}

function uncapped(backoff: Backoff, attempt: number): number {
  const failures = Math.max(1, attempt);
  switch (backoff.kind) {
    case "fixed":
      return backoff.seconds;
    case "exponential":
      // Nothing times infinity is no number.
      return backoff.seconds === 0 ? 0 : backoff.seconds * backoff.factor ** (failures - 1);
    case "list":
      return backoff.seconds[Math.min(failures, backoff.seconds.length) - 1] ?? 0;
  }
}

function isBackoff(value: unknown): value is Backoff {
  if (typeof value !== "object" || value === null) return false;
  const { kind, seconds, factor } = value as Readonly<Record<string, unknown>>;
  if (kind === "list") return Array.isArray(seconds) && seconds.length > 0 && seconds.every(isSeconds);
  if (kind === "fixed") return isSeconds(seconds);
  return kind === "exponential" && isSeconds(seconds) && typeof factor === "number" && factor >= 1;
}

/** A number that is no less than 0; whatever JSON says is finite. */
function isSeconds(value: unknown): value is number {
  return typeof value === "number" && value >= 0;
}

function isNames(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((name) => typeof name === "string");
}
