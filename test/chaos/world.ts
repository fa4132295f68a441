import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import postgres from "postgres";
import { startGuardian } from "../../src/dev/guardian.ts";
import { migrate } from "../../src/store/migrate.ts";
import { ProcessMark } from "../support/processes.ts";
import { type RayHead, startRayHead } from "../support/ray-head.ts";
import { Relay } from "../support/relay.ts";
import { installAudit } from "./audit.ts";
import type { Deed, Undone } from "./history.ts";
import { ChaosPostgres } from "./postgres.ts";
import { SupervisedWorker } from "./supervised.ts";

const TASKS = fileURLToPath(new URL("./tasks", import.meta.url));
/** Of Ray, and so of each worker: more than there are, for the bodies only wait. */
const CPUS = 8;
const QUEUES = "default,bulk";
const WORKERS = ["chaos-a", "chaos-b"] as const;

interface Parts {
  readonly mark: ProcessMark;
  readonly postgres: ChaosPostgres;
  readonly workers: readonly SupervisedWorker[];
  readonly networks: readonly Relay[];
  readonly sql: postgres.Sql;
  readonly stopRay: () => Promise<void>;
  readonly undo: readonly Undo[];
}

type Undo = () => Promise<unknown> | unknown;

/** A Postgres, a Ray head and two workers on it, each with a network of its own to that Postgres; and what is done to them. */
export class World {
  readonly mark: ProcessMark;
  readonly postgres: ChaosPostgres;
  readonly workers: readonly SupervisedWorker[];
  /** Of each worker, and of the client, who comes last. */
  readonly networks: readonly Relay[];
  /** Straight to Postgres, for looks. */
  readonly sql: postgres.Sql;
  readonly deeds: Deed[] = [];
  readonly undone: Undone[] = [];
  /** What bodies write to. */
  readonly journal: string;
  readonly stopRay: () => Promise<void>;
  readonly #undo: readonly Undo[];

  private constructor(parts: Parts) {
    this.mark = parts.mark;
    this.postgres = parts.postgres;
    this.workers = parts.workers;
    this.networks = parts.networks;
    this.sql = parts.sql;
    this.stopRay = parts.stopRay;
    this.#undo = parts.undo;
    this.journal = join(parts.mark.folder, "bodies");
  }

  /** Leaves nothing behind where it fails. */
  static async start(): Promise<World> {
    const undo: Undo[] = [];
    try {
      return await build(undo).then((parts) => new World(parts));
    } catch (error) {
      await undoAll(undo).catch((undoing: unknown) => {
        throw new AggregateError([error, undoing], `${error}; ${undoing}`);
      });
      throw error;
    }
  }

  /** For the one who enqueues. */
  get clientUrl(): string {
    return urlThrough(this.postgres.url, this.networks.at(-1));
  }

  /** What each worker's claims wrote. */
  get claimJournals(): readonly string[] {
    return this.workers.map(({ name }) => claimJournal(this.mark, name));
  }

  async stopWorkers(): Promise<string[]> {
    const ends = await Promise.all(this.workers.map((worker) => worker.stop()));
    return ends.filter((end) => end !== null);
  }

  /** Everything, whatever state it is in. */
  stop(): Promise<void> {
    return undoAll(this.#undo);
  }
}

/** `undo` grows with what is there. */
async function build(undo: Undo[]): Promise<Parts> {
  const mark = new ProcessMark();
  undo.push(() => mark.clear());
  const guardian = startGuardian();
  undo.push(() => guardian.close());
  // Not in the mark's folder: whoever has a file open in that counts as left behind.
  const folder = mkdtempSync("/tmp/rp-");
  undo.push(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));
  const server = await ChaosPostgres.start(folder, guardian);
  undo.push(() => server.stop());
  await migrate({ databaseUrl: server.url });
  const sql = postgres(server.url, { max: 3, onnotice: () => {}, connection: { application_name: "chaos" } });
  undo.push(() => sql.end({ timeout: 2 }));
  await installAudit(sql);
  const head = await startRayHead({ RAYFERRY_TEST_MARK: mark.value }, CPUS);
  const stopRay = once(() => head.stop());
  undo.push(stopRay);
  const networks = await Promise.all([...WORKERS, "client"].map(() => startNetwork(server.url)));
  undo.push(...networks.map((network) => () => network.close()));
  const workers = WORKERS.map((name, index) => startWorker(name, mark, head, urlThrough(server.url, networks[index])));
  undo.push(...workers.map((worker) => () => worker.kill()));
  await Promise.all(workers.map((worker) => worker.ready()));
  return { mark, postgres: server, workers, networks, sql, stopRay, undo };
}

/** Each, whatever becomes of the others. @throws AggregateError of all that failed. */
export async function undoAll(undo: readonly Undo[]): Promise<void> {
  const errors: unknown[] = [];
  for (const step of undo.toReversed()) {
    try {
      await step();
    } catch (error) {
      errors.push(error);
    }
  }
  if (errors.length > 0) throw new AggregateError(errors, `not all was undone: ${errors.join("; ")}`);
}

function once(step: () => Promise<void>): () => Promise<void> {
  let done: Promise<void> | null = null;
  return () => {
    done ??= step();
    return done;
  };
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

function claimJournal(mark: ProcessMark, worker: string): string {
  return join(mark.folder, `claims-${worker}`);
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
      RAYFERRY_CLAIM_JOURNAL: claimJournal(mark, name),
      RAY_AUTH_MODE: "disabled",
    },
    folder: TASKS,
  });
}
