import { randomBytes } from "node:crypto";
import postgres from "postgres";
import { inject } from "vitest";
import { TEMPLATE } from "./global-setup.ts";

export interface TestDatabase {
  readonly url: string;
  /** Removes it, along with whoever is still connected. */
  drop(): Promise<void>;
}

/** A database of the caller's own, migrated; each test file takes one. `{ migrated: false }` gives an empty one. */
export async function createTestDatabase(options: { migrated?: boolean } = {}): Promise<TestDatabase> {
  const template = (options.migrated ?? true) ? TEMPLATE : "template0";
  const name = `test_${randomBytes(8).toString("hex")}`;
  // Copying the files takes half as long as writing each page to the log.
  await asAdmin((sql) => sql`create database ${sql(name)} template ${sql(template)} strategy file_copy`);
  const url = new URL(inject("postgresUrl"));
  url.pathname = name;
  return {
    url: url.href,
    drop: () => asAdmin((sql) => sql`drop database if exists ${sql(name)} with (force)`),
  };
}

async function asAdmin(statement: (sql: postgres.Sql) => PromiseLike<unknown>): Promise<void> {
  const sql = postgres(inject("postgresUrl"), { max: 1, onnotice: () => {} });
  try {
    await statement(sql);
  } finally {
    await sql.end();
  }
}
