import {
  DatabaseError,
  DatabaseLoginError,
  DatabaseNotMigratedError,
  DatabaseUnreachableError,
  RayferryError,
} from "../errors.ts";

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
/** Connection lost under a statement, or a server that starts or stops: worth another try. */
const TRANSIENT = new Set([
  "CONNECTION_CLOSED",
  "CONNECTION_DESTROYED",
  "EPIPE",
  "57P01",
  "57P02",
  "57P03",
  "08000",
  "08003",
  "08006",
  "40001",
  "40P01",
  "53300",
]);
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
      `The database at ${where} isn't migrated for this version of rayferry (${message}). Run \`rayferry migrate\`.`,
      options,
    );
  }
  return new DatabaseError(`Postgres at ${where} said: ${message}${code ? ` (${code})` : ""}`, options);
}

/**
 * Whether it is what the statement carries that Postgres can't take: data that breaks a type, a constraint or a limit (SQLSTATE classes 22, 23, 54),
 * or more text than a string can hold. Only then is there no use in trying again.
 */
export function isContentError(error: unknown): boolean {
  const cause = error instanceof RayferryError ? error.cause : error;
  return cause instanceof RangeError || /^(22|23|54)\w{3}$/.test(describe(cause).code);
}

/** Whether the same statement may succeed later without anybody's doing. */
export function isTransient(error: unknown): boolean {
  const { code } = describe(error instanceof RayferryError ? error.cause : error);
  return TRANSIENT.has(code) || UNREACHABLE.has(code);
}

function describe(error: unknown): { code: string; message: string } {
  if (!(error instanceof Error)) return { code: "", message: String(error) };
  const nested = error instanceof AggregateError ? error.errors[0] : undefined;
  const cause = "code" in error ? error : (nested ?? error.cause ?? error);
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : "";
  return { code, message: cause instanceof Error ? cause.message : error.message };
}
