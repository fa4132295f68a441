/**
 * Connections of our own: with Postgres's guards on each, and replaced as a whole when they lead nowhere. postgres.js would keep a connection that
 * fell silent until the kernel gives up, a quarter of an hour, and go on queueing statements behind the one that hangs.
 */
import postgres from "postgres";
import { ConfigurationError } from "../errors.ts";
import { judge } from "./database-error.ts";
import { type Queryable, toQueryable } from "./queryable.ts";

const CONNECT_TIMEOUT_SECONDS = 10;
/** Seconds without traffic until the kernel asks whether the other side is still there. */
const KEEP_ALIVE_SECONDS = 15;

export interface ClientOptions {
  readonly databaseUrl: string;
  readonly applicationName: string;
  readonly max: number;
  /** Milliseconds that Postgres gives a statement, and within it a wait for a lock. */
  readonly statementTimeout: number;
  readonly lockTimeout: number;
  /** Milliseconds after which a statement without an answer fails; unless it only waited for others that had theirs, the connections are replaced. */
  readonly silentAfter: number;
}

/** A pool that can be replaced. */
export interface OwnClient extends Queryable {
  /** The driver's client for LISTEN: a fresh one, which the caller ends. */
  openListener(): postgres.Sql;
  close(): Promise<void>;
}

/** `?prepare=false` in the URL: there is a transaction pooler, to which no settings may be sent and through which no statement stays prepared. */
export function isPooled(databaseUrl: string): boolean {
  return /[?&]prepare=false(&|$)/.test(databaseUrl);
}

/** @throws ConfigurationError when the URL can't be read. */
export function openClient(options: ClientOptions): OwnClient {
  const { databaseUrl, silentAfter, max } = options;
  const openPool = (): Pool => ({ client: open(databaseUrl, options), underWay: 0, answeredAt: 0 });
  let current = openPool();
  let closed = false;
  const renew = (old: Pool): void => {
    if (old !== current || closed) return;
    current = openPool();
    old.client.end({ timeout: 0 }).catch(() => {});
  };
  return {
    async query(text, params) {
      const used = current;
      const asked = performance.now();
      // Behind others: that they are answered says why this one isn't. One that had a connection to itself has been sent at once.
      const waits = used.underWay >= max;
      used.underWay += 1;
      try {
        const rows = await impatient(toQueryable(used.client).query(text, params), silentAfter);
        used.answeredAt = performance.now();
        return rows;
      } catch (error) {
        const isSilent = error instanceof Silence;
        if (isSilent ? !(waits && used.answeredAt > asked) : judge(error).renew === true) renew(used);
        else if (!isSilent) used.answeredAt = performance.now();
        throw error;
      } finally {
        used.underWay -= 1;
      }
    },
    openListener: () => open(databaseUrl, { ...options, max: 1 }),
    close() {
      closed = true;
      return current.client.end({ timeout: 2 });
    },
  };
}

interface Pool {
  readonly client: postgres.Sql;
  /** Statements that wait for their answer. */
  underWay: number;
  /** By `performance.now()`: the last sign of life on any of its connections. */
  answeredAt: number;
}

class Silence extends Error {
  readonly code = "ETIMEDOUT";
}

/** The statement may still be done: every verb is fenced, or harmless to repeat. */
async function impatient<T>(answer: Promise<T>, milliseconds: number): Promise<T> {
  const { promise: silence, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Silence("no answer")), milliseconds);
  // Should it fail later, nobody listens any more.
  answer.catch(() => {});
  try {
    return await Promise.race([answer, silence]);
  } finally {
    clearTimeout(timer);
  }
}

function open(databaseUrl: string, options: ClientOptions): postgres.Sql {
  try {
    return postgres(databaseUrl, {
      max: options.max,
      connect_timeout: CONNECT_TIMEOUT_SECONDS,
      idle_timeout: 60,
      keep_alive: KEEP_ALIVE_SECONDS,
      onnotice: () => {},
      // Parameters are text and rows JSON, so no array types are needed; and postgres.js leaves the rejection of this query unhandled when Postgres
      // goes away under it, which would end the process.
      fetch_types: false,
      // postgres.js waits up to 20 s between attempts: recovery is to take seconds once Postgres is back.
      backoff: (attempts: number) => Math.min(0.1 * 2 ** attempts, 1) * (0.5 + Math.random() / 2),
      connection: {
        application_name: options.applicationName,
        // A pooler refuses them: there they are to be set for the role.
        ...(isPooled(databaseUrl) ? {} : guards(options)),
      },
    });
  } catch (error) {
    throw new ConfigurationError(`The database URL can't be read: ${error instanceof Error ? error.message : error}`, {
      cause: error,
    });
  }
}

/**
 * What keeps a statement, a forgotten transaction or a client that is gone from holding locks for long. A parameter in the URL wins.
 *
 * A database or role may ask for a stricter isolation: there a row that changed while its lock was waited for is an error, where our verbs look at it anew.
 */
function guards({ statementTimeout, lockTimeout }: ClientOptions): Record<string, number | string> {
  return {
    default_transaction_isolation: "read committed",
    statement_timeout: statementTimeout,
    lock_timeout: lockTimeout,
    idle_in_transaction_session_timeout: 10_000,
    tcp_keepalives_idle: KEEP_ALIVE_SECONDS,
    tcp_keepalives_interval: 5,
    tcp_keepalives_count: 3,
    tcp_user_timeout: 30_000,
  };
}
