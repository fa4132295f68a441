import postgres from "postgres";
import { expect, test } from "vitest";
import { createTestDatabase } from "./database.ts";

test("createTestDatabase - migrated, apart from every other, and gone after drop()", async () => {
  const [one, other] = await Promise.all([createTestDatabase(), createTestDatabase()]);
  const sql = postgres(one.url, { max: 1, onnotice: () => {} });
  const tables = await sql`select from pg_tables where schemaname = 'rayferry' and tablename = 'ray_task_execution'`;
  expect(tables).toHaveLength(1);
  await sql`create table mine (id int)`;
  const elsewhere = postgres(other.url, { max: 1 });
  expect(await elsewhere`select to_regclass('public.mine') as found`).toEqual([{ found: null }]);
  await elsewhere.end();
  await other.drop();
  await one.drop();
  await sql.end();
  await expect(postgres(one.url, { max: 1 })`select 1`).rejects.toThrow(/does not exist/);
});
