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
export type PartialRetry = Partial<RetryPolicy>;

export const DEFAULT_RETRY: RetryPolicy = {
  backoff: { kind: "exponential", seconds: 1, factor: 2 },
  max_seconds: 300,
  jitter: true,
  on: null,
  never_on: [],
  losses: 10,
};
