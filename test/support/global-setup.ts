/** One Postgres for the whole test run, with a template database that was migrated once. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import postgres from "postgres";
import type { TestProject } from "vitest/node";
import { startGuardian } from "../../src/dev/guardian.ts";
import { startPostgres } from "../../src/dev/postgres.ts";
import { migrate } from "../../src/store/migrate.ts";

/** Copied by createTestDatabase(). */
export const TEMPLATE = "rayferry_template";

declare module "vitest" {
  export interface ProvidedContext {
    /** The run's Postgres; its own database `rayferry` is only for making others. */
    postgresUrl: string;
  }
}

export default async function setUp(project: TestProject): Promise<() => Promise<void>> {
  const folder = await mkdtemp(join(tmpdir(), "rayferry-test-"));
  const guardian = startGuardian();
  guardian.removeFolder(folder);
  const server = await startPostgres({
    dataDir: join(folder, "postgres"),
    persistent: false,
    guardian,
    // Nothing here has to survive a crash of the machine. Without waiting for the disk a commit is twice as fast or more.
    settings: { fsync: "off", full_page_writes: "off", synchronous_commit: "off", max_connections: "400" },
  });
  await makeTemplate(server.url);
  project.provide("postgresUrl", server.url);
  return async () => {
    await server.stop();
    await rm(folder, { recursive: true, force: true });
    await guardian.close();
  };
}

async function makeTemplate(adminUrl: string): Promise<void> {
  const sql = postgres(adminUrl, { max: 1, onnotice: () => {} });
  await sql`create database ${sql(TEMPLATE)}`;
  await sql.end();
  const url = new URL(adminUrl);
  url.pathname = TEMPLATE;
  await migrate({ databaseUrl: url.href });
}
