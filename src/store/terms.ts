import type { PartialRetry } from "../retry-policy.ts";
import type { Names } from "./names.ts";

/** What was agreed for an attempt when it was enqueued or first claimed (the deadline: when it was enqueued): its holder judges its end by this. */
export interface AttemptTerms {
  /** Which try it is, of those that count. */
  readonly attempt: number;
  readonly maxAttempts: number;
  /** What differs from the default policy. */
  readonly retry: PartialRetry | null;
  /** Seconds from its real start. */
  readonly timeoutSeconds: number | null;
  /** Seconds until it is EXPIRED unless it has started; below 0: it is overdue. */
  readonly expiresInSeconds: number | null;
}

/** The terms of row `e`, as JSON text. */
export const termsOf = (
  e: string,
) => `json_build_object('attempt', ${e}.attempt, 'maxAttempts', coalesce(${e}.max_attempts, 1), 'retry', ${e}.retry,
        'timeoutSeconds', ${e}.timeout_seconds, 'expiresInSeconds', extract(epoch from ${e}.expires_at - now())::float8)::text`;

/**
 * Key of the column `retry` where the call gave `max_attempts` of a task that nobody had registered: the rest is still the task's to give. Elsewhere
 * a null in `max_attempts` says so.
 */
export const UNSETTLED = "unsettled";

/**
 * SET items: what the call left to a task that nobody had registered yet, from the registry as it is now. Costs nothing where that is settled. A claim
 * by a worker that doesn't know the task settles nothing. Not the deadline: that bounds the wait before, and is settled at enqueue alone.
 */
export function settleTerms({ definition }: Names): string {
  const own = (what: string) => `(select ${what} from ${definition} d where d.name = e.task)`;
  const isOpen = `(e.max_attempts is null or e.retry->'${UNSETTLED}' is not null)`;
  return `max_attempts = coalesce(e.max_attempts, ${own("coalesce(d.max_attempts, 1)")}),
        retry = case when ${isOpen} and ${own("true")}
          then ${own(`nullif((coalesce(d.retry, '{}') || coalesce(e.retry, '{}')) - '${UNSETTLED}', '{}')`)} else e.retry end,
        timeout_seconds = case when ${isOpen} then coalesce(e.timeout_seconds, ${own("d.timeout_seconds")}) else e.timeout_seconds end`;
}
