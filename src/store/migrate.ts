/**
 * Applies the SQL files that drizzle-kit generated, in order and each once, in one transaction under an advisory lock: several may run at once,
 * a failure leaves nothing half done. drizzle-orm's own migrator takes no lock and knows nothing of a database newer than the code.
 */
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { readMigrationFiles } from "drizzle-orm/migrator";
import postgres from "postgres";
import { ConfigurationError, DatabaseNewerError, DatabaseNotMigratedError } from "../errors.ts";
import { describeUrl, type Store } from "./connection.ts";
import { toDatabaseError } from "./database-error.ts";
import { DEFAULT_SCHEMA, namesFor } from "./names.ts";

/** Any number that nobody else uses: "rayferry" in ASCII, folded to 32 bits. */
const ADVISORY_LOCK = 0x7261_7966;

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

interface Migration {
  readonly hash: string;
  readonly folderMillis: number;
  readonly sql: readonly string[];
}

/**
 * Brings the schema up to this version of rayferry.
 *
 * @throws DatabaseNewerError when the database has migrations that this version doesn't know. @throws DatabaseUnreachableError, DatabaseLoginError
 */
export async function migrate({ databaseUrl, schema = DEFAULT_SCHEMA }: MigrateOptions): Promise<MigrateReport> {
  if (!/^postgres(ql)?:\/\//.test(databaseUrl)) {
    throw new ConfigurationError("The database URL must look like postgres://user:password@host:5432/database.");
  }
  const names = namesFor(schema);
  const known = readMigrations(schema);
  const client = postgres(databaseUrl, { max: 1, connect_timeout: 10, fetch_types: false, onnotice: () => {} });
  try {
    return await client.begin(async (tx) => {
      await tx`select pg_advisory_xact_lock(${ADVISORY_LOCK}, hashtext(${schema}))`;
      await tx.unsafe(`create schema if not exists "${schema}"`);
      await tx.unsafe(
        `create table if not exists ${names.migration} (created_at bigint primary key, hash text not null, applied_at timestamptz not null default now())`,
      );
      const applied = await tx.unsafe(`select created_at::text as created_at from ${names.migration}`);
      const done = new Set(applied.map((row) => String(row["created_at"])));
      refuseNewer(done, known, describeUrl(databaseUrl));
      const missing = known.filter((migration) => !done.has(String(migration.folderMillis)));
      for (const migration of missing) {
        for (const statement of migration.sql) await tx.unsafe(statement);
        await tx.unsafe(`insert into ${names.migration} (created_at, hash) values ($1, $2)`, [
          migration.folderMillis,
          migration.hash,
        ]);
      }
      return { applied: missing.length, total: known.length };
    });
  } catch (error) {
    throw toDatabaseError(error, describeUrl(databaseUrl));
  } finally {
    await client.end({ timeout: 2 });
  }
}

/**
 * Refuses a database that this version can't work with.
 *
 * @throws DatabaseNotMigratedError, DatabaseNewerError
 */
export async function checkMigrated(store: Store): Promise<void> {
  const known = readMigrations(store.names.schema);
  const rows = await store.query(`select created_at::text as created_at from ${store.names.migration}`, []);
  const done = new Set(rows.map((row) => String(row["created_at"])));
  refuseNewer(done, known, store.where);
  const missing = known.filter((migration) => !done.has(String(migration.folderMillis))).length;
  if (missing > 0) {
    throw new DatabaseNotMigratedError(
      `The database at ${store.where} lacks ${missing} of ${known.length} migrations. Run \`rayferry migrate\`.`,
    );
  }
}

function refuseNewer(done: ReadonlySet<string>, known: readonly Migration[], where: string): void {
  const names = new Set(known.map((migration) => String(migration.folderMillis)));
  const unknown = [...done].filter((each) => !names.has(each)).length;
  if (unknown > 0) {
    throw new DatabaseNewerError(
      `The database at ${where} has ${unknown} migration(s) that this version of rayferry doesn't know: a newer one migrated it. Install that version.`,
    );
  }
}

/** The files with the schema's name put in; statements name every table by its quoted schema. */
function readMigrations(schema: string): Migration[] {
  return readMigrationFiles({ migrationsFolder: migrationsFolder() }).map((migration) => ({
    hash: migration.hash,
    folderMillis: migration.folderMillis,
    sql: migration.sql
      .map((statement) =>
        statement
          .replace(`CREATE SCHEMA "${DEFAULT_SCHEMA}";`, "")
          .replaceAll(`"${DEFAULT_SCHEMA}".`, `"${schema}".`)
          .trim(),
      )
      .filter((statement) => statement !== ""),
  }));
}

/** Beside this file in the sources; the build leaves them where they are. */
function migrationsFolder(): string {
  const here = fileURLToPath(new URL("./migrations", import.meta.url));
  return existsSync(here) ? here : fileURLToPath(new URL("../../../src/store/migrations", import.meta.url));
}
