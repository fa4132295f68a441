import { afterAll, expect, test } from "vitest";
import { connect } from "../../src/store/connection.ts";
import { readDatabaseIdentity } from "../../src/store/system.ts";
import { openTestStore } from "../support/seed.ts";

const { store, sql, url, close } = await openTestStore();
afterAll(close);

test("readDatabaseIdentity - the cluster and its timeline, for every database in it; null for who may not read them", async () => {
  const identity = await readDatabaseIdentity(store);
  expect(identity).toEqual({ system_id: expect.stringMatching(/^\d{15,20}$/), timeline: 1 });
  await sql`create role nosy login password 'x'`;
  await sql`revoke execute on function pg_control_system() from public`;
  const login = new URL(url);
  [login.username, login.password] = ["nosy", "x"];
  const nosy = connect({ databaseUrl: login.href, max: 1 });
  expect(await readDatabaseIdentity(nosy)).toBeNull();
  await nosy.close();
  await sql`drop role nosy`;
  expect(await readDatabaseIdentity(store)).toEqual(identity);
});
