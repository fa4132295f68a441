import { existsSync } from "node:fs";
import { dirname } from "node:path";
import postgres from "postgres";
import { expect, test } from "vitest";
import { RayTaskBackend } from "../../src/index.ts";
import { startTestPostgres } from "../../src/testing/index.ts";

test("startTestPostgres - gives a migrated database, and leaves nothing", async () => {
  const server = await startTestPostgres();
  const backend = new RayTaskBackend({ databaseUrl: server.databaseUrl });
  expect((await (await backend.enqueue("any.task")).refresh()).state).toBe("QUEUED");
  await backend.close();
  const sql = postgres(server.databaseUrl, { max: 1 });
  const [row] = await sql`show data_directory`;
  await sql.end();
  const folder = dirname(String(row?.["data_directory"]));
  expect(existsSync(folder)).toBe(true);
  await server.stop();
  expect(existsSync(folder)).toBe(false);
});
