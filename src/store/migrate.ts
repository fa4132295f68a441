/**
 * Applies the SQL files that drizzle-kit generated, in order and each once, in one transaction under an advisory lock: several may run at once,
 * a failure leaves nothing half done. drizzle-orm's own migrator takes no lock and knows nothing of a database newer than the code.
 *
 * Workers of an older build run on meanwhile, and afterwards: a migration says in its first line if they can't. What waits for a table's lock keeps
 * everybody else from that table, so that it gives up after half a second, everything is rolled back, and it tries again.
 */
import { setTimeout as sleep } from "node:timers/promises";
import postgres from "postgres";
import { ConfigurationError, DatabaseError, DatabaseNewerError, DatabaseNotMigratedError } from "../errors.ts";
import { describeUrl, type Store } from "./connection.ts";
import { codeOf, toDatabaseError } from "./database-error.ts";
import { type Migration, readMigrations } from "./migration-files.ts";
import { DEFAULT_SCHEMA, type Names, namesFor } from "./names.ts";

/** Any number that nobody else uses: "rayferry" in ASCII, folded to 32 bits. */
export const ADVISORY_LOCK = 0x7261_7966;

/**
 * Milliseconds that a statement waits for a lock, and others behind it. A migration locks tables in whatever order it changes them: where that closes a
 * circle with a statement of a worker's, it is to give way before that one's wait is a second old and Postgres ends it.
 */
const LOCK_TIMEOUT = 500;
/** Whatever the database or role asks for: by an older snapshot, who has waited for another migration would not see what that did. */
const ISOLATION = "isolation level read committed";
/** Tries, and milliseconds between two, on average: meanwhile whoever was held up gets on. */
const TRIES = 40;
const PAUSE = 1_000;

export interface MigrateOptions {
  readonly databaseUrl: string;
  readonly schema?: string;
}

export interface MigrateReport {
  /** Migrations applied by this call. */
  readonly applied: number;
  /** Migrations in the database now. */
  readonly total: number;
}

/**
 * Brings the schema up to this version of rayferry.
 *
 * @throws DatabaseNewerError when the database has migrations that this version doesn't know and can't work with. @throws DatabaseUnreachableError,
 * DatabaseLoginError; DatabaseError when somebody held a lock all the time, with nothing changed.
 */
export async function migrate({ databaseUrl, schema = DEFAULT_SCHEMA }: MigrateOptions): Promise<MigrateReport> {
  if (!/^postgres(ql)?:\/\//.test(databaseUrl)) {
    throw new ConfigurationError("The database URL must look like postgres://user:password@host:5432/database.");
  }
  const names = namesFor(schema);
  const where = describeUrl(databaseUrl);
  const client = postgres(databaseUrl, { max: 1, connect_timeout: 10, fetch_types: false, onnotice: () => {} });
  try {
    for (let tries = 1; ; tries += 1) {
      try {
        return await client.begin(ISOLATION, (tx) => applyMissing(tx, names, where));
      } catch (error) {
        if (!isLockTrouble(error) || tries === TRIES) throw error;
        await sleep(PAUSE * (0.5 + Math.random()));
      }
    }
  } catch (error) {
    if (!isLockTrouble(error)) throw toDatabaseError(error, where);
    throw new DatabaseError(
      `The migration of ${where} didn't get a lock within ${LOCK_TIMEOUT / 1000} s, ${TRIES} times: a transaction holds on to rayferry's tables. Nothing was changed. Find it with \`select pid, state, xact_start, query from pg_stat_activity order by xact_start\`, end it, and run \`rayferry migrate\` again.`,
      { cause: error },
    );
  } finally {
    await client.end({ timeout: 2 });
  }
}

async function applyMissing(tx: postgres.TransactionSql, names: Names, where: string): Promise<MigrateReport> {
  const { schema } = names;
  const known = readMigrations(schema);
  // A statement of ours may go over whole tables, and another migration may take its time: what a role's or a database's own settings allow isn't meant.
  await tx.unsafe("set local statement_timeout = 0; set local lock_timeout = 0");
  await tx`select pg_advisory_xact_lock(${ADVISORY_LOCK}, hashtext(${schema}))`;
  await tx.unsafe(`set local lock_timeout = ${LOCK_TIMEOUT}`);
  await tx.unsafe(`create schema if not exists "${schema}"`);
  await tx.unsafe(
    `create table if not exists ${names.migration} (
      created_at bigint primary key, hash text not null, breaks_older boolean not null, applied_at timestamptz not null default now())`,
  );
  const rows = await tx.unsafe(`select created_at::text as created_at, breaks_older from ${names.migration}`);
  const { done } = compare(rows, known, where);
  const missing = known.filter((migration) => !done.has(String(migration.folderMillis)));
  for (const migration of missing) {
    for (const statement of migration.sql) await tx.unsafe(statement);
    await tx.unsafe(`insert into ${names.migration} (created_at, hash, breaks_older) values ($1, $2, $3)`, [
      migration.folderMillis,
      migration.hash,
      migration.breaksOlder,
    ]);
  }
  return { applied: missing.length, total: known.length };
}

/** Somebody held a lock, or wanted what the migration had and had what it wanted: another try may be luckier. */
function isLockTrouble(error: unknown): boolean {
  return ["55P03", "40P01"].includes(codeOf(error));
}

/**
 * Refuses a database that this version can't work with. Answers how many migrations it has that this version doesn't know, and can work with.
 *
 * @throws DatabaseNotMigratedError, DatabaseNewerError
 */
export async function checkMigrated(store: Store): Promise<number> {
  const known = readMigrations(store.names.schema);
  const rows = await store.query(
    `select created_at::text as created_at, breaks_older from ${store.names.migration}`,
    [],
  );
  const { done, unknown } = compare(rows, known, store.where);
  const missing = known.filter((migration) => !done.has(String(migration.folderMillis))).length;
  if (missing > 0) {
    throw new DatabaseNotMigratedError(
      `The database at ${store.where} lacks ${missing} of ${known.length} migrations. Run \`rayferry migrate\`.`,
    );
  }
  return unknown;
}

/** What the database has: which migrations, and how many of them this version doesn't know. @throws DatabaseNewerError when one of those breaks it. */
function compare(
  rows: readonly Record<string, unknown>[],
  known: readonly Migration[],
  where: string,
): { done: ReadonlySet<string>; unknown: number } {
  const names = new Set(known.map((migration) => String(migration.folderMillis)));
  const unknown = rows.filter((row) => !names.has(String(row["created_at"])));
  const breaking = unknown.filter((row) => row["breaks_older"] !== false).length;
  if (breaking > 0) {
    throw new DatabaseNewerError(
      `The database at ${where} has ${breaking} migration(s) that this version of rayferry doesn't know and can't work with: a newer one migrated it. Install that version.`,
    );
  }
  return { done: new Set(rows.map((row) => String(row["created_at"]))), unknown: unknown.length };
}
