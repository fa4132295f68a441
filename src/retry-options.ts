/** The retry policy in the words of `enqueue`, which reads well in TypeScript; Postgres and Python have it as `PartialRetry`. */
import { type Backoff, type PartialRetry, policyOf } from "./retry-policy.ts";

/** Seconds between attempts, growing: `first`, then each time `factor` (1 or more, default 2) times as long. */
export interface ExponentialBackoff {
  readonly first: number;
  readonly factor?: number;
}

/** When a failed attempt is followed by another. What is left out is the task's own, else the default. */
export interface RetryOptions {
  /** Seconds between attempts: always the same; one for each, the last repeating; or growing. Default: `{ first: 1, factor: 2 }`. */
  readonly backoff?: number | readonly number[] | ExponentialBackoff;
  /** No wait is longer, in seconds; default 300. What the task itself asks for isn't capped. */
  readonly maxDelay?: number;
  /** Waits anything from 0 to the backoff, so that many that failed together don't come back together; default true. */
  readonly jitter?: boolean;
  /** Only errors of these Python classes, or with one among their bases: `"ValueError"`, `"shop.errors.Busy"`, or `"Busy"`. Default: any. */
  readonly on?: readonly string[];
  /** Never errors of these classes, or with one among their bases. A task that raises `rayferry.Retry` is tried again all the same. */
  readonly neverOn?: readonly string[];
  /** How often infrastructure may take an attempt before the execution is LOST; default 10. It never uses up `maxAttempts`. */
  readonly losses?: number;
}

/** The whole policy of an execution; `on` is null for any error. */
export type Retry = Required<Omit<RetryOptions, "on">> & { readonly on: readonly string[] | null };

/** What a call says, as it is stored; null where it says nothing. */
export function toPartialRetry(retry: RetryOptions | undefined): PartialRetry | null {
  if (retry === undefined) return null;
  const { backoff, maxDelay, jitter, on, neverOn, losses } = retry;
  const said: PartialRetry = {
    ...(backoff === undefined ? {} : { backoff: toBackoff(backoff) }),
    ...(maxDelay === undefined ? {} : { max_seconds: maxDelay }),
    ...(jitter === undefined ? {} : { jitter }),
    ...(on === undefined ? {} : { on }),
    ...(neverOn === undefined ? {} : { never_on: neverOn }),
    ...(losses === undefined ? {} : { losses }),
  };
  return Object.keys(said).length === 0 ? null : said;
}

/** The whole policy that is stored so. */
export function toRetry(stored: PartialRetry | null): Retry {
  const { backoff, max_seconds, jitter, on, never_on, losses } = policyOf(stored);
  const asGiven = backoff.kind === "exponential" ? { first: backoff.seconds, factor: backoff.factor } : backoff.seconds;
  return { backoff: asGiven, maxDelay: max_seconds, jitter, on, neverOn: never_on, losses };
}

function toBackoff(backoff: NonNullable<RetryOptions["backoff"]>): Backoff {
  if (typeof backoff === "number") return { kind: "fixed", seconds: backoff };
  if ("first" in backoff) return { kind: "exponential", seconds: backoff.first, factor: backoff.factor ?? 2 };
  return { kind: "list", seconds: backoff };
}
