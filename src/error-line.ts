import type { RayTaskAttempt } from "./attempt.ts";
import type { TaskError } from "./errors.ts";

/** Characters of an error's message. */
const MESSAGE = 200;

/** An error for people: its type and the first line of its message, or the beginning of a long one. */
export function inALine({ type, message }: Pick<TaskError, "type" | "message">): string {
  const shown = messageInALine(message);
  return shown === "" ? type : `${type}: ${shown}`;
}

/** The first line of a message, or the beginning of a long one. */
export function messageInALine(message: string): string {
  const line = message.split("\n", 1)[0]?.trimEnd() ?? "";
  return line.length > MESSAGE ? `${line.slice(0, MESSAGE - 3)}...` : line;
}

/** Why an attempt ended as it did, in a line; null where it succeeded or goes on. */
export function whyEnded(
  { outcome, error }: Pick<RayTaskAttempt, "outcome" | "error">,
  cancelReason: string | null,
): string | null {
  if (error !== null) return inALine(error);
  if (outcome !== "CANCELLED") return null;
  return cancelReason === null ? "Cancelled" : `Cancelled: ${cancelReason}`;
}
