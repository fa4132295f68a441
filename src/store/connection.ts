import postgres from "postgres";
import { ConfigurationError } from "../errors.ts";
import { toDatabaseError } from "./database-error.ts";
import { type Names, namesFor } from "./names.ts";
import { type CallerClient, type Queryable, toQueryable } from "./queryable.ts";

/** A connection to the tables: what every verb takes. */
export interface Store extends Queryable {
  readonly names: Names;
  /** Opened by rayferry from a URL; false: the caller's, whose transaction rayferry may be in. */
  readonly own: boolean;
  /** For LISTEN; null where the caller's driver can't. */
  readonly listener: postgres.Sql | null;
  /** Where it is, without the password, for messages. */
  readonly where: string;
  /** Ends the connections that rayferry opened; does nothing to a caller's. */
  close(): Promise<void>;
}

export interface ConnectOptions {
  readonly databaseUrl: string;
  readonly schema?: string;
  /** Shown in `pg_stat_activity`. */
  readonly applicationName?: string;
  /** Most connections open at once. */
  readonly max?: number;
  /** Milliseconds after which a statement without an answer fails; default 60 s. */
  readonly silentAfter?: number;
}

const CONNECT_TIMEOUT_SECONDS = 10;
/** A host that loses its power resets no connection: without this, who waits for an answer waits for the kernel, a quarter of an hour. */
const SILENT_AFTER = 60_000;

/** The URL without its password. */
export function describeUrl(databaseUrl: string): string {
  try {
    const url = new URL(databaseUrl);
    return `${url.host || "localhost"}${url.pathname}`;
  } catch {
    return "the database URL";
  }
}

/**
 * Opens connections of our own; nothing is sent before the first statement.
 *
 * @throws ConfigurationError when the URL isn't a Postgres URL.
 */
export function connect(options: ConnectOptions): Store {
  const { databaseUrl } = options;
  if (!/^postgres(ql)?:\/\//.test(databaseUrl)) {
    throw new ConfigurationError(
      `The database URL must look like postgres://user:password@host:5432/database, not ${JSON.stringify(databaseUrl.replace(/:[^:@/]*@/, ":***@"))}.`,
    );
  }
  const client = openClient(databaseUrl, options);
  const where = describeUrl(databaseUrl);
  return {
    ...guarded(impatient(toQueryable(client), options.silentAfter ?? SILENT_AFTER), where),
    names: namesFor(options.schema),
    own: true,
    listener: client,
    where,
    close: () => client.end({ timeout: 2 }),
  };
}

function openClient(databaseUrl: string, options: ConnectOptions): postgres.Sql {
  try {
    return postgres(databaseUrl, {
      max: options.max ?? 10,
      connect_timeout: CONNECT_TIMEOUT_SECONDS,
      idle_timeout: 60,
      onnotice: () => {},
      // Parameters are text and rows JSON, so no array types are needed; and postgres.js leaves the rejection of this query unhandled when Postgres
      // goes away under it, which would end the process.
      fetch_types: false,
      // postgres.js waits up to 20 s between attempts: recovery is to take seconds once Postgres is back.
      backoff: (attempts: number) => Math.min(0.1 * 2 ** attempts, 1) * (0.5 + Math.random() / 2),
      connection: { application_name: options.applicationName ?? "rayferry" },
    });
  } catch (error) {
    throw new ConfigurationError(`The database URL can't be read: ${error instanceof Error ? error.message : error}`, {
      cause: error,
    });
  }
}

/** The tables through a client or transaction of the caller's. */
export function borrow(client: CallerClient, schema?: string): Store {
  const where = "your client's database";
  return {
    ...guarded(toQueryable(client), where),
    names: namesFor(schema),
    own: false,
    listener: findListener(client),
    where,
    close: async () => {},
  };
}

/** The same store through a transaction of the caller's. */
export function within(store: Store, tx: CallerClient): Store {
  return { ...store, ...guarded(toQueryable(tx, "tx"), store.where), own: false, close: async () => {} };
}

/** postgres.js itself, or the one below a drizzle database. */
function findListener(client: CallerClient): postgres.Sql | null {
  for (const candidate of [client, Reflect.get(client, "$client")]) {
    if (candidate && typeof Reflect.get(Object(candidate), "listen") === "function") return candidate as postgres.Sql;
  }
  return null;
}

/** The statement may still be done: every verb is fenced, or harmless to repeat. */
function impatient(on: Queryable, milliseconds: number): Queryable {
  return {
    async query(text, params) {
      const { promise: silence, reject } = Promise.withResolvers<never>();
      const timer = setTimeout(
        () => reject(Object.assign(new Error("no answer"), { code: "ETIMEDOUT" })),
        milliseconds,
      );
      try {
        const answer = on.query(text, params);
        // Should it fail later, nobody listens any more.
        answer.catch(() => {});
        return await Promise.race([answer, silence]);
      } finally {
        clearTimeout(timer);
      }
    },
  };
}

function guarded(on: Queryable, where: string): Queryable {
  return {
    async query(text, params) {
      try {
        return await on.query(text, params);
      } catch (error) {
        throw toDatabaseError(error, where);
      }
    },
  };
}
