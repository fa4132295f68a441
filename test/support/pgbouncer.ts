import { type ChildProcess, execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { postgresAccount } from "../../src/dev/account.ts";
import { freePort } from "../../src/dev/free-port.ts";
import { Output } from "./output.ts";

/** A PgBouncer in transaction mode in front of the test run's Postgres. */
export interface PgBouncer {
  /** The database's URL by way of it, as it is and with what rayferry is to be told. */
  readonly url: string;
  readonly pooledUrl: string;
  close(): Promise<void>;
}

/** Debian puts it where only root's PATH leads. */
const PLACES = ["/usr/sbin/pgbouncer", "/usr/bin/pgbouncer", "/usr/local/bin/pgbouncer", "/opt/homebrew/bin/pgbouncer"];

/** Null where it isn't installed. */
export function findPgBouncer(): string | null {
  return PLACES.find((place) => existsSync(place)) ?? null;
}

/** Whether whoever runs the tests could have it: there its absence is a failure, elsewhere a test that is left out. */
export function couldInstallPgBouncer(): boolean {
  if (process.env["CI"]) return true;
  try {
    execFileSync("apt-get", ["--version"], { stdio: "ignore" });
    return process.getuid?.() === 0;
  } catch {
    return false;
  }
}

/** Fewer connections than ask at once, so that the statements of one client go to several of Postgres's. */
export async function startPgBouncer(databaseUrl: string): Promise<PgBouncer> {
  const program = findPgBouncer();
  if (program === null)
    throw new Error("PgBouncer isn't installed. On Debian and Ubuntu: sudo scripts/install-debian.sh");
  const account = await postgresAccount();
  const folder = await mkdtemp(join(tmpdir(), "rayferry-pgbouncer-"));
  const target = new URL(databaseUrl);
  const port = await freePort();
  const file = join(folder, "pgbouncer.ini");
  await writeFile(
    file,
    `[databases]
* = host=${target.hostname} port=${target.port} user=${target.username} password=${decodeURIComponent(target.password)}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 4
`,
  );
  await Promise.all([account.own(folder), account.own(file)]);
  // It refuses to run as root, as Postgres does.
  const child: ChildProcess = account.spawn(program, [file], { cwd: "/", stdio: ["ignore", "pipe", "pipe"] });
  const output = new Output(child);
  await output.until(/process up/, 10_000);
  const url = new URL(databaseUrl);
  url.port = String(port);
  const pooled = new URL(url);
  pooled.searchParams.set("prepare", "false");
  return {
    url: url.href,
    pooledUrl: pooled.href,
    async close() {
      child.kill("SIGTERM");
      await output.ended;
      await rm(folder, { recursive: true, force: true });
    },
  };
}
