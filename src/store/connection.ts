import type postgres from "postgres";
import { ConfigurationError } from "../errors.ts";
import { isPooled, openClient } from "./client.ts";
import { toDatabaseError } from "./database-error.ts";
import { Listener, type SelfTestTimes } from "./listener.ts";
import { type Names, namesFor } from "./names.ts";
import { type CallerClient, type Queryable, toQueryable } from "./queryable.ts";

/** A connection to the tables: what every verb takes. */
export interface Store extends Queryable {
  readonly names: Names;
  /** Opened by rayferry from a URL; false: the caller's, whose transaction rayferry may be in. */
  readonly own: boolean;
  /** For LISTEN; null where the caller's driver can't, or a pooler is in between. */
  readonly listener: Listener | null;
  /** Where it is, without the password, for messages. */
  readonly where: string;
  /** Ends the connections that rayferry opened; does nothing to a caller's. */
  close(): Promise<void>;
}

export interface ConnectOptions {
  /** With `?prepare=false` behind a transaction pooler: no settings are sent, no statement stays prepared, nothing listens. */
  readonly databaseUrl: string;
  /** A way around the pooler, for LISTEN alone. */
  readonly listenUrl?: string;
  readonly schema?: string;
  /** Shown in `pg_stat_activity`. */
  readonly applicationName?: string;
  /** Most connections open at once. */
  readonly max?: number;
  /** Milliseconds after which a statement without an answer fails; default 60 s. */
  readonly silentAfter?: number;
  /** Milliseconds that Postgres gives a statement; default 30 s. Hot ones take some. */
  readonly statementTimeout?: number;
  /** Milliseconds for a lock that somebody else holds; default 2 s, a third of a lease. */
  readonly lockTimeout?: number;
  readonly selfTest?: SelfTestTimes;
}

/** A host that loses its power resets no connection: without this, who waits for an answer waits for the kernel, a quarter of an hour. */
const SILENT_AFTER = 60_000;
const STATEMENT_TIMEOUT = 30_000;
const LOCK_TIMEOUT = 2_000;

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
  const { databaseUrl, listenUrl } = options;
  checkUrl(databaseUrl, "The database URL");
  if (listenUrl !== undefined) checkUrl(listenUrl, "The URL for LISTEN");
  const own = {
    databaseUrl,
    applicationName: options.applicationName ?? "rayferry",
    max: options.max ?? 10,
    statementTimeout: options.statementTimeout ?? STATEMENT_TIMEOUT,
    lockTimeout: options.lockTimeout ?? LOCK_TIMEOUT,
    silentAfter: options.silentAfter ?? SILENT_AFTER,
  };
  const client = openClient(own);
  const direct = listenUrl === undefined ? client : openClient({ ...own, databaseUrl: listenUrl });
  const listener = isPooled(listenUrl ?? databaseUrl)
    ? null
    : new Listener({
        open: direct.openListener,
        replaceable: true,
        sender: client,
        ...(options.selfTest === undefined ? {} : { times: options.selfTest }),
      });
  const where = describeUrl(databaseUrl);
  return {
    ...guarded(client, where),
    names: namesFor(options.schema),
    own: true,
    listener,
    where,
    async close() {
      await listener?.close();
      await client.close();
    },
  };
}

function checkUrl(url: string, what: string): void {
  if (/^postgres(ql)?:\/\//.test(url)) return;
  throw new ConfigurationError(
    `${what} must look like postgres://user:password@host:5432/database, not ${JSON.stringify(url.replace(/:[^:@/]*@/, ":***@"))}.`,
  );
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

/** One for each client of a caller's, for as long as that lives: postgres.js can't take a subscription back. */
const listeners = new WeakMap<postgres.Sql, Listener>();

/** By postgres.js itself, or the one below a drizzle database. */
function findListener(client: CallerClient): Listener | null {
  for (const candidate of [client, Reflect.get(client, "$client")]) {
    if (!candidate || typeof Reflect.get(Object(candidate), "listen") !== "function") continue;
    const sql = candidate as postgres.Sql;
    const listener =
      listeners.get(sql) ?? new Listener({ open: () => sql, replaceable: false, sender: toQueryable(sql) });
    listeners.set(sql, listener);
    return listener;
  }
  return null;
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
