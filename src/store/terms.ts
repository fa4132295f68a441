import type { PartialRetry } from "../retry-policy.ts";
import type { Names } from "./names.ts";

/** What was agreed for an attempt when it was enqueued or first claimed: its holder judges its end by this. */
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

/** SET items: what the call left to a task that nobody had registered yet, from the registry as it is now. Costs nothing where that is settled. */
export function settleTerms({ definition }: Names): string {
  const own = (column: string) => `(select d.${column} from ${definition} d where d.name = e.task)`;
  return `max_attempts = coalesce(e.max_attempts, ${own("max_attempts")}, 1),
        retry = case when e.max_attempts is null then nullif(coalesce(${own("retry")}, '{}') || coalesce(e.retry, '{}'), '{}') else e.retry end,
        timeout_seconds = case when e.max_attempts is null then coalesce(e.timeout_seconds, ${own("timeout_seconds")}) else e.timeout_seconds end`;
}
