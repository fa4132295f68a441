/** A Postgres of the bench's own, as durable as anybody's: fsync on, nothing else on it. */
import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import postgres from "postgres";
import { startGuardian } from "../../src/dev/guardian.ts";
import { startPostgres } from "../../src/dev/postgres.ts";
import { connect, type Store } from "../../src/store/connection.ts";
import { openLease } from "../../src/store/lease.ts";
import { migrate } from "../../src/store/migrate.ts";
import { openServer } from "../../src/store/server.ts";

export interface BenchServer {
  /** A new migrated database. */
  open(): Promise<BenchDatabase>;
  close(): Promise<void>;
}

export interface BenchDatabase {
  readonly url: string;
  readonly store: Store;
  /** For what no verb does; marked as a verb, so that no trigger asks. */
  readonly sql: postgres.Sql;
  close(): Promise<void>;
}

/** Room for a run without a checkpoint in its middle: what each writes to the log is then comparable. */
const SETTINGS = {
  shared_buffers: "1GB",
  max_wal_size: "16GB",
  checkpoint_timeout: "1h",
  autovacuum_naptime: "5s",
  work_mem: "16MB",
  maintenance_work_mem: "256MB",
};

export async function startBenchServer(settings: Readonly<Record<string, string>> = {}): Promise<BenchServer> {
  const folder = await mkdtemp(join(tmpdir(), "rayferry-bench-"));
  // Stops the server and removes the folder should the bench be killed.
  const guardian = startGuardian();
  guardian.removeFolder(folder);
  const server = await startPostgres({
    dataDir: join(folder, "postgres"),
    persistent: false,
    guardian,
    settings: { ...SETTINGS, ...settings },
  });
  return {
    open: () => openDatabase(server.url),
    async close() {
      await server.stop();
      await rm(folder, { recursive: true, force: true });
      await guardian.close();
    },
  };
}

async function openDatabase(serverUrl: string): Promise<BenchDatabase> {
  const name = `bench_${randomUUID().replaceAll("-", "")}`;
  const admin = postgres(serverUrl, { max: 1, onnotice: () => {} });
  await admin`create database ${admin(name)}`;
  await admin.end();
  const url = new URL(serverUrl);
  url.pathname = name;
  await migrate({ databaseUrl: url.href });
  const store = connect({ databaseUrl: url.href });
  const sql = postgres(url.href, { max: 4, onnotice: () => {}, connection: { "rayferry.verb": "on" } });
  return {
    url: url.href,
    store,
    sql,
    close: async () => {
      await Promise.all([store.close(), sql.end()]);
    },
  };
}

/** A worker incarnation that may claim for a day. */
export interface Seat {
  readonly holder: string;
  readonly server: string;
  readonly worker: string;
}

export async function openSeat({ store, sql }: BenchDatabase): Promise<Seat> {
  const seat = { holder: randomUUID(), server: randomUUID(), worker: "bench" };
  await openLease(store, { id: seat.holder, name: "bench", host: "here", pid: 1, version: "0.0.0", queues: ["q0"] });
  const server = {
    id: seat.server,
    holder: seat.holder,
    worker: "bench",
    epoch: randomUUID(),
    endpoint: "ipc:///tmp/bench",
    build: "0.0.0",
    pid: 1,
    outlives: false,
    actorName: null,
    namespace: null,
    generation: null,
    authoritySeconds: 86_400,
    rayAddress: null,
    rayVersion: null,
    nodes: null,
    cpus: null,
    gpus: null,
  };
  await openServer(store, server, 1_000, ["t.run"]);
  await sql`update rayferry.task_worker_lease set expires_at = now() + interval '1 day' where id = ${seat.holder}`;
  return seat;
}
