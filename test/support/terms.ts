import type { AttemptTerms } from "../../src/store/terms.ts";

/** Terms without retries, timeouts or deadline. */
export const PLAIN_TERMS: AttemptTerms = {
  attempt: 1,
  maxAttempts: 1,
  retry: null,
  timeoutSeconds: null,
  expiresInSeconds: null,
};
