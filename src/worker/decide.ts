/** What becomes of an attempt that ended: pure, by its result and by what was agreed for it. The statements only carry it out. */
import type { ServerMessageOf } from "../../bridge/src/index.ts";
import type { TaskError } from "../errors.ts";
import { backoffSeconds, MAX_SECONDS, policyOf, type RetryPolicy } from "../retry-policy.ts";
import type { AttemptTerms } from "../store/terms.ts";
import { isOneOf } from "./error-names.ts";

export type EndedResult = Pick<ServerMessageOf<"result">, "outcome" | "error" | "again">;

/** The end of the execution, or what its attempt is followed by. */
export type Decision =
  | { readonly word: "complete"; readonly state: "SUCCEEDED" | "CANCELLED"; readonly error: null }
  | { readonly word: "complete"; readonly state: "FAILED"; readonly error: TaskError }
  /** It used one of its tries, and has another. */
  | { readonly word: "retry"; readonly afterSeconds: number; readonly error: TaskError }
  /** It was no try. */
  | { readonly word: "snooze"; readonly afterSeconds: number; readonly error: TaskError | null }
  /** Its end wasn't its own: infrastructure took it, or the worker that stops. */
  | { readonly word: "requeue"; readonly error: TaskError };

export interface Circumstances {
  /** A cancel of the user's was passed on. */
  readonly cancelAsked: boolean;
  /** From 0 to 1, for the jitter. */
  readonly random: number;
}

/** Another try would end the same way. */
const NEVER_AGAIN: ReadonlySet<string> = new Set([
  "InvalidInput",
  "ResultTooLarge",
  "ResultNotSerializable",
  "ResultNotStorable",
  "UnknownTask",
]);

export function decide(result: EndedResult, terms: AttemptTerms, { cancelAsked, random }: Circumstances): Decision {
  const { outcome, error } = result;
  switch (outcome) {
    case "SUCCEEDED":
      return { word: "complete", state: "SUCCEEDED", error: null };
    case "CANCELLED":
      // Without a cancel of the user's it is ours: a worker that stops stops its work too.
      return cancelAsked ? CANCELLED : { word: "requeue", error: STOPPED };
    case "LOST":
      return { word: "requeue", error: error ?? STOPPED };
    case "SNOOZED":
      return cancelAsked ? CANCELLED : { word: "snooze", afterSeconds: asked(result) ?? 0, error };
    case "FAILED":
    case "TIMED_OUT": {
      const cause = error ?? UNNAMED;
      const policy = policyOf(terms.retry);
      if (cancelAsked || !isRetried(result, cause, terms, policy))
        return { word: "complete", state: "FAILED", error: cause };
      const afterSeconds = asked(result) ?? backoffSeconds(policy, terms.attempt, random);
      return { word: "retry", afterSeconds, error: cause };
    }
  }
}

function isRetried({ again }: EndedResult, error: TaskError, terms: AttemptTerms, policy: RetryPolicy): boolean {
  if (terms.attempt >= terms.maxAttempts || NEVER_AGAIN.has(error.code)) return false;
  if (again !== null) return again.retry;
  if (isOneOf(error, policy.never_on)) return false;
  return policy.on === null || isOneOf(error, policy.on);
}

/** Seconds that the task itself asked for: neither capped nor jittered. */
function asked({ again }: EndedResult): number | null {
  const seconds = again?.after_seconds ?? null;
  return seconds === null ? null : Math.min(Math.max(0, seconds), MAX_SECONDS);
}

const CANCELLED: Decision = { word: "complete", state: "CANCELLED", error: null };
const STOPPED = failure("ServerStopped", "ServerStopped", "its worker stopped or restarted");
const UNNAMED = failure("TaskError", "Unknown", "the sidecar named no error");

/** An error that isn't Python's. */
export function failure(code: string, type: string, message: string): TaskError {
  return { code, type, bases: [], message, traceback: null };
}
