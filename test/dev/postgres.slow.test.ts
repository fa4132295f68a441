import { execFileSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { mkdir, mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import postgres from "postgres";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { PostgresInUseError, PostgresStartError, PostgresVersionError } from "../../src/dev/errors.ts";
import { type RunningPostgres, type StartPostgresOptions, startPostgres } from "../../src/dev/postgres.ts";
import { isRunning } from "../support/processes.ts";
import { waitFor } from "../support/wait-for.ts";
import { startOwner } from "./start-owner.ts";

describe("startPostgres", () => {
  let folder: string;
  let dataDir: string;
  let made: string;
  const running: RunningPostgres[] = [];

  // initdb takes a second: most tests start from a copy of one folder.
  beforeAll(async () => {
    made = await mkdtemp(join(tmpdir(), "rayferry made-"));
    await (await startPostgres({ dataDir: join(made, "data"), persistent: true })).stop();
  });

  afterAll(() => rm(made, { recursive: true, force: true }));

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "rayferry postgres-"));
    dataDir = join(folder, "data");
  });

  function copyMade(): void {
    execFileSync("cp", ["-a", join(made, "data"), dataDir]);
  }

  afterEach(async () => {
    await Promise.all(running.splice(0).map((server) => server.stop()));
    await rm(folder, { recursive: true, force: true });
  });

  async function start(options: Partial<StartPostgresOptions> = {}): Promise<RunningPostgres> {
    const server = await startPostgres({ dataDir, persistent: true, ...options });
    running.push(server);
    return server;
  }

  async function query(url: string, text: string): Promise<Record<string, unknown>[]> {
    const sql = postgres(url, { max: 1, onnotice: () => {}, connect_timeout: 5 });
    try {
      return [...(await sql.unsafe(text))];
    } finally {
      await sql.end();
    }
  }

  test("a new folder - a UTF-8 database `rayferry` that asks for the password", async () => {
    const server = await start();
    const rows = await query(
      server.url,
      "select current_database() as name, pg_encoding_to_char(encoding) as encoding from pg_database where datname = current_database()",
    );
    expect(rows).toEqual([{ name: "rayferry", encoding: "UTF8" }]);
    const wrong = new URL(server.url);
    wrong.password = "guessed";
    await expect(query(wrong.href, "select 1")).rejects.toThrow(/password authentication failed/);
    const { mode } = await stat(join(dataDir, "rayferry.password"));
    expect(mode & 0o777).toBe(0o600);
  });

  test("stop and start - the data is still there, and the URL's password too", async () => {
    copyMade();
    const first = await start();
    await query(first.url, "create table kept as select 42 as answer");
    await first.stop();
    expect(isRunning(first.pid)).toBe(false);
    const second = await start();
    expect(await query(second.url, "select answer from kept")).toEqual([{ answer: 42 }]);
    expect(new URL(second.url).password).toBe(new URL(first.url).password);
  });

  test("not persistent - stop() removes the folder, and may be repeated", async () => {
    copyMade();
    const server = await start({ persistent: false });
    expect(existsSync(dataDir)).toBe(true);
    await Promise.all([server.stop(), server.stop()]);
    expect(readdirSync(folder)).toEqual([]);
  });

  test("settings - ours can be overridden", async () => {
    copyMade();
    const server = await start({ settings: { fsync: "off", max_connections: "17" } });
    expect(await query(server.url, "show fsync")).toEqual([{ fsync: "off" }]);
    expect(await query(server.url, "show max_connections")).toEqual([{ max_connections: "17" }]);
  });

  test("a folder in use - refused by name and process, and left as it is", async () => {
    copyMade();
    const first = await start();
    const error = await start({ persistent: false }).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(PostgresInUseError);
    expect(error).toMatchObject({ code: "POSTGRES_IN_USE", pid: first.pid });
    expect(await query(first.url, "select 1 as one")).toEqual([{ one: 1 }]);
  });

  test("two starts at once on a new folder - one wins, the other is refused", async () => {
    const results = await Promise.allSettled([start(), start()]);
    const won = results.filter((result) => result.status === "fulfilled");
    const lost = results.filter((result) => result.status === "rejected");
    expect(won).toHaveLength(1);
    expect(lost.map((result) => result.reason.code)).toEqual(["POSTGRES_IN_USE"]);
    expect(await query(won[0]?.value.url ?? "", "select 1 as one")).toEqual([{ one: 1 }]);
    expect(readdirSync(folder)).toEqual(["data"]);
  });

  test("a postmaster.pid whose number is another program's now - started all the same", async () => {
    copyMade();
    await writeFile(join(dataDir, "postmaster.pid"), `${process.pid}\n`);
    const server = await start();
    expect(await query(server.url, "select 1 as one")).toEqual([{ one: 1 }]);
  });

  test("killed - starts again, with the data", async () => {
    copyMade();
    const first = await start();
    await query(first.url, "create table kept as select 42 as answer");
    process.kill(first.pid, "SIGKILL");
    await first.exited;
    const second = await start();
    expect(await query(second.url, "select answer from kept")).toEqual([{ answer: 42 }]);
  });

  test("an initdb that was interrupted - its rest is removed", async () => {
    // No process can have this number: Linux ends at 2^22.
    const left = join(folder, "data.initdb-99999999");
    await mkdir(left);
    await writeFile(join(left, "PG_VERSION"), "17\n");
    await start();
    expect(readdirSync(folder)).toEqual(["data"]);
  });

  test("a folder of something else - refused, nothing removed", async () => {
    await mkdir(dataDir);
    await writeFile(join(dataDir, "thesis.txt"), "years of work");
    await expect(start()).rejects.toThrow(PostgresStartError);
    expect(readdirSync(dataDir)).toEqual(["thesis.txt"]);
  });

  test("not persistent in a folder of something else - refused, nothing removed", async () => {
    await mkdir(dataDir);
    await writeFile(join(dataDir, "thesis.txt"), "years of work");
    await expect(start({ persistent: false })).rejects.toThrow(PostgresStartError);
    expect(readdirSync(dataDir)).toEqual(["thesis.txt"]);
  });

  test("data of another major version - refused, with what to do", async () => {
    copyMade();
    await writeFile(join(dataDir, "PG_VERSION"), "14\n");
    const error = await start().catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(PostgresVersionError);
    expect(error).toMatchObject({ message: expect.stringMatching(/made by Postgres 14.*remove the folder/) });
  });

  test("a given port that is taken - refused, with the port named", async () => {
    copyMade();
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
    const address = other.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    await expect(start({ port })).rejects.toThrow(`Port ${port} is taken`);
    await new Promise((resolve) => other.close(resolve));
  });

  test("a setting Postgres doesn't know - its own words are in the error", async () => {
    copyMade();
    await expect(start({ settings: { no_such_thing: "1" } })).rejects.toThrow(/no_such_thing/);
  });

  test.skipIf(process.platform !== "linux")("the owner is killed - the server ends and its folder goes", async () => {
    copyMade();
    const owner = await startOwner("postgres", dataDir);
    expect(await query(owner.url, "select 1 as one")).toEqual([{ one: 1 }]);
    owner.child.kill("SIGKILL");
    await waitFor("postgres to end", () => !isRunning(owner.pid));
    await waitFor("the guardian to end", () => !isRunning(owner.guardian));
    expect(existsSync(dataDir)).toBe(false);
  });

  test.runIf(process.getuid?.() === 0)("root, below a folder that only root may enter - works", async () => {
    expect((await stat(folder)).mode & 0o077).toBe(0);
    const server = await start();
    const uid = await query(server.url, "show data_directory");
    expect(uid).toEqual([{ data_directory: dataDir }]);
  });
});
