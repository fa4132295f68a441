import { inALine, messageInALine } from "../error-line.ts";
import type { AttemptTerms } from "../store/terms.ts";
import type { Decision } from "./decide.ts";

/** The message of a `Snooze` that was given none. */
const UNSAID = "The task asked to be run later.";

type Again = Extract<Decision, { word: "retry" | "snooze" }>;

/** What is shown of an execution that waits for its next attempt. */
export function waitReason(decision: Again, { attempt, maxAttempts }: AttemptTerms): string {
  const seconds = rounded(decision.afterSeconds);
  if (decision.word === "snooze") {
    const why = decision.error?.message ?? UNSAID;
    return why === UNSAID
      ? `Snoozed for ${seconds} s: it uses no attempt.`
      : `Snoozed for ${seconds} s: ${messageInALine(why)}`;
  }
  return `Attempt ${attempt + 1} of ${maxAttempts} in ${seconds} s after ${inALine(decision.error)}`;
}

function rounded(seconds: number): string {
  return seconds < 10 ? String(Math.round(seconds * 10) / 10) : String(Math.round(seconds));
}
