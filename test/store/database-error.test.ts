import { createServer } from "node:net";
import { afterAll, describe, expect, test } from "vitest";
import {
  ConfigurationError,
  DatabaseError,
  DatabaseLoginError,
  DatabaseNotMigratedError,
  DatabaseUnreachableError,
} from "../../src/errors.ts";
import { connect } from "../../src/store/connection.ts";
import { isTransient, toDatabaseError } from "../../src/store/database-error.ts";
import { migrate } from "../../src/store/migrate.ts";
import { stats } from "../../src/store/stats.ts";
import { createTestDatabase } from "../support/database.ts";
import { openTestStore } from "../support/seed.ts";

const { url, store, sql, close } = await openTestStore();
afterAll(close);

/** What a verb throws at this URL. */
async function thrownAt(databaseUrl: string): Promise<Error> {
  const there = connect({ databaseUrl });
  try {
    await stats(there);
  } catch (error) {
    return error as Error;
  } finally {
    await there.close();
  }
  return expect.fail("Nothing was thrown.");
}

function changed(change: (url: URL) => void): string {
  const copy = new URL(url);
  change(copy);
  return copy.href;
}

async function freePort(): Promise<string> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return String(address !== null && typeof address === "object" ? address.port : 0);
}

describe("connecting - the class and a sentence that says what to do", () => {
  test("a wrong password", async () => {
    const error = await thrownAt(changed((to) => (to.password = "wrong-secret")));
    expect(error).toBeInstanceOf(DatabaseLoginError);
    expect(error.message).toMatch(
      /^Postgres at 127\.0\.0\.1:\d+\/\w+ refused the login: password authentication failed .* Correct user, password or database in the URL\.$/,
    );
    expect(error.message).not.toContain("wrong-secret");
    expect(isTransient(error)).toBe(false);
  });

  test("no such database", async () => {
    const error = await thrownAt(changed((to) => (to.pathname = "no_such_database")));
    expect(error).toBeInstanceOf(DatabaseLoginError);
    expect(error.message).toContain('database "no_such_database" does not exist');
  });

  test("nobody listens there", async () => {
    const port = await freePort();
    const error = await thrownAt(changed((to) => (to.port = port)));
    expect(error).toBeInstanceOf(DatabaseUnreachableError);
    expect(error.message).toMatch(
      new RegExp(`^No Postgres answers at 127\\.0\\.0\\.1:${port}/\\w+ \\(ECONNREFUSED\\)\\. Start it, or correct`),
    );
    expect(isTransient(error)).toBe(true);
    await expect(migrate({ databaseUrl: changed((to) => (to.port = port)) })).rejects.toThrow(DatabaseUnreachableError);
  });

  test("a host that doesn't exist", async () => {
    const error = await thrownAt(changed((to) => (to.host = "nowhere.invalid")));
    expect(error).toBeInstanceOf(DatabaseUnreachableError);
  });

  test("not migrated", async () => {
    const empty = await createTestDatabase({ migrated: false });
    const error = await thrownAt(empty.url);
    expect(error).toBeInstanceOf(DatabaseNotMigratedError);
    expect(error.message).toMatch(
      /isn't migrated for this version of rayferry .* Run `rayferry migrate`, or correct the database URL/,
    );
    expect(isTransient(error)).toBe(false);
    await empty.drop();
  });

  test.each(["mysql://localhost/x", "localhost:5432", "", "http://user:secret@h/d"])(
    "%j is no Postgres URL",
    (text) => {
      expect(() => connect({ databaseUrl: text })).toThrow(ConfigurationError);
      expect(() => connect({ databaseUrl: text })).toThrow(
        "must look like postgres://user:password@host:5432/database",
      );
      expect(() => connect({ databaseUrl: text })).not.toThrow("secret");
    },
  );
});

describe("toDatabaseError - statements", () => {
  test("what Postgres says, with its code, and the driver's error as the cause", async () => {
    const error = await store.query("select 1/0", []).catch((each: unknown) => each);
    expect(error).toBeInstanceOf(DatabaseError);
    expect(error).toMatchObject({ code: "DATABASE", cause: { code: "22012" } });
    expect(String(error)).toContain("said: division by zero (22012)");
    expect(isTransient(error)).toBe(false);
  });

  test("a connection that Postgres ends under a statement is worth another try", async () => {
    const there = connect({ databaseUrl: url, applicationName: "ended", max: 1 });
    const [me] = await there.query("select pg_backend_pid() as pid", []);
    const sleeping = there.query("select pg_sleep(10)", []).catch((each: unknown) => each);
    const terminate = () => sql`select pg_terminate_backend(pid) as done from pg_stat_activity
      where pid = ${Number(me?.["pid"])} and query like '%pg_sleep%'`;
    while ((await terminate()).length === 0);
    expect(isTransient(await sleeping)).toBe(true);
    await there.close();
  });

  test("an error of ours passes through", () => {
    const error = new ConfigurationError("x");
    expect(toDatabaseError(error, "there")).toBe(error);
  });

  test("anything else that is thrown still becomes one of ours", () => {
    expect(toDatabaseError("just text", "there")).toMatchObject({
      code: "DATABASE",
      message: "Postgres at there said: just text",
    });
  });

  test("both addresses of localhost refused: the code inside counts", () => {
    const refused = Object.assign(new Error("connect ECONNREFUSED ::1:1"), { code: "ECONNREFUSED" });
    expect(toDatabaseError(new AggregateError([refused], "both failed"), "there")).toBeInstanceOf(
      DatabaseUnreachableError,
    );
  });
});
