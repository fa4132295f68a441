/**
 * What becomes of a statement that failed, by the code that Postgres (SQLSTATE), Node or the driver gave. One table for all who write or read: the
 * services of a worker, who waits for results, and the client's verbs.
 */

export type Remedy =
  /** The same statement, now: another of its kind, or a lost connection, was in the way. */
  | "AT_ONCE"
  /** The same statement, after a pause: somebody or something has to come back first. */
  | "LATER"
  /** What the statement carries can't be stored: without the part that is to blame, the rest can. */
  | "CONTENT"
  /** Nobody but a person can help. */
  | "GIVE_UP";

export interface Verdict {
  /** What happened, for messages; empty where Postgres's own sentence says it all. */
  readonly what: string;
  readonly remedy: Remedy;
  /** The connections are to a server that won't do: others are to be opened. */
  readonly renew?: true;
}

/** PgBouncer's protocol_violation stands for every reason to let go of a client; this is the one of them that won't go away. */
export const STARTUP_PARAMETER = "STARTUP_PARAMETER";

const VERDICTS: Readonly<Record<string, Verdict>> = {
  // The connection was lost under the statement, which may be done all the same: every verb is fenced, or harmless to repeat.
  CONNECTION_CLOSED: { what: "the connection was lost", remedy: "AT_ONCE" },
  CONNECTION_DESTROYED: { what: "the connection was given up", remedy: "AT_ONCE" },
  ECONNRESET: { what: "the connection was lost", remedy: "AT_ONCE" },
  EPIPE: { what: "the connection was lost", remedy: "AT_ONCE" },
  "08": { what: "the connection was lost", remedy: "AT_ONCE" },
  "08P01": { what: "a pooler let go of the connection", remedy: "LATER" },
  "57P01": { what: "an administrator ended the connection", remedy: "AT_ONCE" },
  "57P05": { what: "the connection was idle for too long", remedy: "AT_ONCE" },
  "25P03": { what: "the transaction was idle for too long", remedy: "AT_ONCE" },
  // Nobody answers, or not yet.
  ECONNREFUSED: { what: "nobody listens there", remedy: "LATER" },
  EHOSTUNREACH: { what: "no way to the host", remedy: "LATER" },
  ENETUNREACH: { what: "no way to the network", remedy: "LATER" },
  ENOTFOUND: { what: "no such host", remedy: "LATER" },
  EAI_AGAIN: { what: "the name service doesn't answer", remedy: "LATER" },
  ENOENT: { what: "no such socket", remedy: "LATER" },
  EACCES: { what: "the socket is closed to this user", remedy: "LATER" },
  ETIMEDOUT: { what: "no answer", remedy: "LATER" },
  CONNECT_TIMEOUT: { what: "no answer", remedy: "LATER" },
  "57P02": { what: "Postgres crashed and starts again", remedy: "LATER" },
  "57P03": { what: "Postgres starts or stops", remedy: "LATER" },
  "53300": { what: "too many connections", remedy: "LATER" },
  // A standby that is no primary yet, or a primary that is one no more: the name may point elsewhere by now.
  "25006": { what: "the server is read-only, as in a failover", remedy: "LATER", renew: true },
  // In each other's way.
  "40P01": { what: "deadlock", remedy: "AT_ONCE" },
  "40001": { what: "another transaction came first", remedy: "AT_ONCE" },
  "40003": { what: "the connection was lost at the commit", remedy: "AT_ONCE" },
  "55P03": { what: "somebody else holds a lock", remedy: "LATER" },
  "57014": { what: "the statement took too long, or was cancelled", remedy: "LATER" },
  "25P04": { what: "the transaction took too long", remedy: "LATER" },
  // The machine is out of something.
  "53": { what: "Postgres is out of something", remedy: "LATER" },
  "53100": { what: "the disk is full", remedy: "LATER" },
  "53200": { what: "Postgres is out of memory", remedy: "LATER" },
  "58": { what: "the machine failed Postgres", remedy: "LATER" },
  // What the statement carries breaks a type, a constraint or a limit.
  "22": { what: "", remedy: "CONTENT" },
  "23": { what: "", remedy: "CONTENT" },
  "54": { what: "", remedy: "CONTENT" },
};

const UNKNOWN: Verdict = { what: "", remedy: "GIVE_UP" };

/** By the code itself, else by its class, the first two characters of a SQLSTATE. */
export function verdictOn(code: string): Verdict {
  const known = Object.hasOwn(VERDICTS, code) ? VERDICTS[code] : undefined;
  const classed = /^[0-9A-Z]{5}$/.test(code) ? VERDICTS[code.slice(0, 2)] : undefined;
  return known ?? classed ?? UNKNOWN;
}
