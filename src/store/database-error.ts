import {
  DatabaseError,
  DatabaseLoginError,
  DatabaseNotMigratedError,
  DatabaseUnreachableError,
  RayferryError,
} from "../errors.ts";
import { STARTUP_PARAMETER, type Verdict, verdictOn } from "./sqlstate.ts";

const UNREACHABLE = new Set([
  "ECONNREFUSED",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "ETIMEDOUT",
  "ECONNRESET",
  "ENOENT",
  "EACCES",
  "CONNECT_TIMEOUT",
]);
/** A pooler in transaction mode gave the statement to a server that never saw it prepared, or refuses what is sent at the start. */
const POOLER = new Set(["26000", "42P05", STARTUP_PARAMETER]);
const LOGIN = new Set(["28P01", "28000", "3D000"]);
const NOT_MIGRATED = new Set(["42P01", "3F000", "42703", "42704"]);

/** What the driver threw, as one of ours with a sentence that says what to do; an error of ours passes through. */
export function toDatabaseError(error: unknown, where: string): RayferryError {
  if (error instanceof RayferryError) return error;
  const { code, message } = describe(error);
  const options = { cause: error };
  if (UNREACHABLE.has(code)) {
    return new DatabaseUnreachableError(
      `No Postgres answers at ${where} (${code}). Start it, or correct the database URL.`,
      options,
    );
  }
  if (LOGIN.has(code)) {
    return new DatabaseLoginError(
      `Postgres at ${where} refused the login: ${message}. Correct user, password or database in the URL.`,
      options,
    );
  }
  if (NOT_MIGRATED.has(code)) {
    return new DatabaseNotMigratedError(
      `The database at ${where} isn't migrated for this version of rayferry (${message}). Run \`rayferry migrate\`, or correct the database URL or the schema, if this isn't the database you meant.`,
      options,
    );
  }
  if (POOLER.has(code)) {
    return new DatabaseError(
      `Postgres at ${where} said: ${message}. So says a transaction pooler (PgBouncer): add ?prepare=false to the database URL.`,
      options,
    );
  }
  const { what } = verdictOn(code);
  const detail = what === "" ? code : `${code}: ${what}`;
  return new DatabaseError(`Postgres at ${where} said: ${message}${code ? ` (${detail})` : ""}`, options);
}

/** Postgres's SQLSTATE, or Node's or the driver's own code; empty where there is none. */
export function codeOf(error: unknown): string {
  return describe(error instanceof RayferryError ? error.cause : error).code;
}

/** What becomes of the statement that failed so. */
export function judge(error: unknown): Verdict {
  return verdictOn(codeOf(error));
}

/**
 * Whether it is what the statement carries that Postgres can't take, or that is more text than a string can hold. Only then is there no use in trying
 * the whole again.
 */
export function isContentError(error: unknown): boolean {
  const cause = error instanceof RayferryError ? error.cause : error;
  return cause instanceof RangeError || judge(error).remedy === "CONTENT";
}

/** Whether the same statement may succeed later without anybody's doing. */
export function isTransient(error: unknown): boolean {
  const { remedy } = judge(error);
  return remedy === "AT_ONCE" || remedy === "LATER";
}

function describe(error: unknown): { code: string; message: string } {
  if (!(error instanceof Error)) return { code: "", message: String(error) };
  const nested = error instanceof AggregateError ? error.errors[0] : undefined;
  const cause = "code" in error ? error : (nested ?? error.cause ?? error);
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : "";
  const message = cause instanceof Error ? cause.message : error.message;
  return { code: code === "08P01" && message.includes("startup parameter") ? STARTUP_PARAMETER : code, message };
}
