import type { TaskError } from "../errors.ts";

/** jsonb and text refuse NUL, and a message that can't be written must not keep its execution from ending. */
export function storableText(text: string): string {
  return text.replaceAll("\0", "\\0").toWellFormed();
}

/** The same error, as Postgres takes it. */
export function storableError(error: TaskError): TaskError;
export function storableError(error: TaskError | null): TaskError | null;
export function storableError(error: TaskError | null): TaskError | null {
  if (error === null) return null;
  return {
    code: error.code,
    type: storableText(error.type),
    bases: error.bases.map(storableText),
    message: storableText(error.message),
    traceback: error.traceback === null ? null : storableText(error.traceback),
  };
}
