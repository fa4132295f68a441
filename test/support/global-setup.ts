/** One Postgres for the whole test run, with a template database that was migrated once. */
import { mkdtemp, rm, statfs } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import postgres from "postgres";
import type { TestProject } from "vitest/node";
import { startGuardian } from "../../src/dev/guardian.ts";
import { startPostgres } from "../../src/dev/postgres.ts";
import { migrate } from "../../src/store/migrate.ts";
import { isBrief } from "./effort.ts";

/** Copied by createTestDatabase(). */
export const TEMPLATE = "rayferry_template";

declare module "vitest" {
  export interface ProvidedContext {
    /** The run's Postgres; its own database `rayferry` is only for making others. */
    postgresUrl: string;
  }
}

export default async function setUp(project: TestProject): Promise<() => Promise<void>> {
  const folder = await mkdtemp(join(await placeForData(), "rayferry-test-"));
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

const IN_MEMORY = "/dev/shm";
/** A fast run fills less than 1 GiB, most of it the log. */
const ROOM_BYTES = 4 * 1024 ** 3;

/**
 * For `make test-fast` the memory, where Linux gives enough of it: a database then takes 0.03 s to make and not 0.3 s, and Postgres 2 s to start and not 6.
 * Longer runs stay on the disk: they write more, and Ray has its objects in that memory.
 */
async function placeForData(): Promise<string> {
  if (!isBrief()) return tmpdir();
  const room = await statfs(IN_MEMORY).catch(() => null);
  return room !== null && room.bavail * room.bsize >= ROOM_BYTES ? IN_MEMORY : tmpdir();
}
