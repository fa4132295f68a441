import { afterAll, expect, test } from "vitest";
import { connect } from "../../src/store/connection.ts";
import { readSystemId } from "../../src/store/system.ts";
import { openTestStore } from "../support/seed.ts";

const { store, sql, url, close } = await openTestStore();
afterAll(close);

test("readSystemId - the cluster's number, for every database in it; null for who may not read it", async () => {
  const id = await readSystemId(store);
  expect(id).toMatch(/^\d{15,20}$/);
  await sql`create role nosy login password 'x'`;
  await sql`revoke execute on function pg_control_system() from public`;
  const login = new URL(url);
  [login.username, login.password] = ["nosy", "x"];
  const nosy = connect({ databaseUrl: login.href, max: 1 });
  expect(await readSystemId(nosy)).toBeNull();
  await nosy.close();
  await sql`drop role nosy`;
  expect(await readSystemId(store)).toBe(id);
});
