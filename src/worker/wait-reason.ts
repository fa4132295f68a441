import { inALine } from "../error-line.ts";
import type { AttemptTerms } from "../store/terms.ts";
import type { Decision } from "./decide.ts";

type Again = Extract<Decision, { word: "retry" | "snooze" }>;

/** What is shown of an execution that waits for its next attempt. */
export function waitReason(decision: Again, { attempt, maxAttempts }: AttemptTerms): string {
  const seconds = rounded(decision.afterSeconds);
  if (decision.word === "snooze") return `Snoozed for ${seconds} s: it uses no attempt.`;
  return `Attempt ${attempt + 1} of ${maxAttempts} in ${seconds} s after ${inALine(decision.error)}`;
}

function rounded(seconds: number): string {
  return seconds < 10 ? String(Math.round(seconds * 10) / 10) : String(Math.round(seconds));
}
