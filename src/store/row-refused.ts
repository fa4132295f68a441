import { RayferryError } from "../errors.ts";
import { isContentError } from "./database-error.ts";

/** Whether a row is to blame that the statement carries or meets: its content, or a trigger of somebody's that raises (SQLSTATE class P0). */
export function isRowRefused(error: unknown): boolean {
  if (isContentError(error)) return true;
  const cause: unknown = error instanceof RayferryError ? error.cause : error;
  const code: unknown = cause instanceof Error ? Reflect.get(cause, "code") : null;
  return typeof code === "string" && /^P0\w{3}$/.test(code);
}
