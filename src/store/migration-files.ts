import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type MigrationMeta, readMigrationFiles } from "drizzle-orm/migrator";
import { DEFAULT_SCHEMA } from "./names.ts";

/** The first line of a migration after which builds that don't know it can't go on. */
const BREAKS = "-- rayferry: breaks older builds";

export interface Migration {
  readonly hash: string;
  /** When it was made: its name in the database. */
  readonly folderMillis: number;
  readonly breaksOlder: boolean;
  readonly sql: readonly string[];
}

/** The files with the schema's name put in; statements name every table by its quoted schema. */
export function readMigrations(schema: string): Migration[] {
  return readMigrationFiles({ migrationsFolder: migrationsFolder() }).map((migration) => ({
    hash: migration.hash,
    folderMillis: migration.folderMillis,
    breaksOlder: startsWithBreaks(migration),
    sql: migration.sql
      .map((statement) =>
        statement
          .replace(BREAKS, "")
          .replace(`CREATE SCHEMA "${DEFAULT_SCHEMA}";`, "")
          .replaceAll(`"${DEFAULT_SCHEMA}".`, `"${schema}".`)
          .trim(),
      )
      .filter((statement) => statement !== ""),
  }));
}

function startsWithBreaks({ sql }: MigrationMeta): boolean {
  return sql[0]?.trimStart().startsWith(BREAKS) === true;
}

/** Beside this file in the sources; the build leaves them where they are. */
function migrationsFolder(): string {
  const here = fileURLToPath(new URL("./migrations", import.meta.url));
  return existsSync(here) ? here : fileURLToPath(new URL("../../../src/store/migrations", import.meta.url));
}
