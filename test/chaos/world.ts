import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import postgres from "postgres";
import { type Guardian, startGuardian } from "../../src/dev/guardian.ts";
import { migrate } from "../../src/store/migrate.ts";
import { ProcessMark } from "../support/processes.ts";
import { type RayHead, startRayHead } from "../support/ray-head.ts";
import { Relay } from "../support/relay.ts";
import { installAudit } from "./audit.ts";
import type { Deed } from "./history.ts";
import { ChaosPostgres } from "./postgres.ts";
import { SupervisedWorker } from "./supervised.ts";

const TASKS = fileURLToPath(new URL("./tasks", import.meta.url));
/** Of Ray, and so of each worker: more than there are, for the bodies only wait. */
const CPUS = 8;
export const QUEUES = "default,bulk";
const WORKERS = ["chaos-a", "chaos-b"] as const;

/** A Postgres, a Ray head and two workers on it, each with a network of its own to that Postgres; and what is done to them. */
export class World {
  readonly mark = new ProcessMark();
  readonly postgres: ChaosPostgres;
  readonly workers: readonly SupervisedWorker[];
  /** Of each worker, and of the client, who comes last. */
  readonly networks: readonly Relay[];
  /** Straight to Postgres, for looks. */
  readonly sql: postgres.Sql;
  readonly deeds: Deed[] = [];
  /** What bodies write to. */
  readonly journal: string;
  readonly #folder: string;
  readonly #head: RayHead;
  #rayStopped: Promise<void> | null = null;
  readonly #guardian: Guardian;

  private constructor(parts: {
    mark: ProcessMark;
    folder: string;
    postgres: ChaosPostgres;
    workers: readonly SupervisedWorker[];
    networks: readonly Relay[];
    sql: postgres.Sql;
    head: RayHead;
    guardian: Guardian;
  }) {
    this.mark = parts.mark;
    this.postgres = parts.postgres;
    this.workers = parts.workers;
    this.networks = parts.networks;
    this.sql = parts.sql;
    this.#folder = parts.folder;
    this.#head = parts.head;
    this.#guardian = parts.guardian;
    this.journal = join(parts.mark.folder, "bodies");
  }

  static async start(): Promise<World> {
    const mark = new ProcessMark();
    const guardian = startGuardian();
    // Not in the mark's folder: whoever has a file open in that counts as left behind.
    const folder = mkdtempSync("/tmp/rp-");
    const server = await ChaosPostgres.start(folder, guardian);
    await migrate({ databaseUrl: server.url });
    const sql = postgres(server.url, { max: 3, onnotice: () => {}, connection: { application_name: "chaos" } });
    await installAudit(sql);
    const head = await startRayHead({ RAYFERRY_TEST_MARK: mark.value }, CPUS);
    const networks = await Promise.all([...WORKERS, "client"].map(() => startNetwork(server.url)));
    const workers = WORKERS.map((name, index) =>
      startWorker(name, mark, head, urlThrough(server.url, networks[index])),
    );
    await Promise.all(workers.map((worker) => worker.ready()));
    return new World({ mark, folder, postgres: server, workers, networks, sql, head, guardian });
  }

  /** For the one who enqueues. */
  get clientUrl(): string {
    return urlThrough(this.postgres.url, this.networks.at(-1));
  }

  /** What each worker's claims wrote. */
  get claimJournals(): readonly string[] {
    return this.workers.map(({ name }) => join(this.mark.folder, `claims-${name}`));
  }

  async stopWorkers(): Promise<string[]> {
    const ends = await Promise.all(this.workers.map((worker) => worker.stop()));
    return ends.filter((end) => end !== null);
  }

  stopRay(): Promise<void> {
    this.#rayStopped ??= this.#head.stop();
    return this.#rayStopped;
  }

  /** Everything, whatever state it is in. */
  async stop(): Promise<void> {
    for (const worker of this.workers) worker.kill();
    await this.sql.end({ timeout: 2 });
    for (const network of this.networks) await network.close();
    await this.stopRay();
    await this.postgres.stop();
    rmSync(this.#folder, { recursive: true, force: true, maxRetries: 5 });
    this.mark.clear();
    await this.#guardian.close();
  }
}

async function startNetwork(databaseUrl: string): Promise<Relay> {
  const { hostname, port } = new URL(databaseUrl);
  const relay = new Relay({ host: hostname, port: Number(port) }, { passesErrors: true });
  await relay.listen({ port: 0, host: "127.0.0.1" });
  return relay;
}

function urlThrough(databaseUrl: string, network: Relay | undefined): string {
  const url = new URL(databaseUrl);
  url.port = String(network?.port ?? url.port);
  return url.href;
}

function startWorker(name: string, mark: ProcessMark, head: RayHead, databaseUrl: string): SupervisedWorker {
  // A machine of its own for each: no socket, lock or session is shared.
  const folder = join(mark.folder, name.slice(-1));
  mkdirSync(folder);
  return new SupervisedWorker(name, {
    args: ["--ray-address", head.address, "--name", name, "--queue", QUEUES, "--tasks", "chaos_tasks"],
    env: {
      ...mark.env,
      TMPDIR: folder,
      RAYFERRY_DATABASE_URL: databaseUrl,
      RAYFERRY_CLAIM_JOURNAL: join(mark.folder, `claims-${name}`),
      RAY_AUTH_MODE: "disabled",
    },
    folder: TASKS,
  });
}
