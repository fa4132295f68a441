import { execFile } from "node:child_process";
import { rm, symlink } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { pino } from "pino";
import { freePort } from "../../src/dev/free-port.ts";
import type { Guardian } from "../../src/dev/guardian.ts";
import { type RunningPostgres, startPostgres } from "../../src/dev/postgres.ts";
import { SmallDisk } from "./disk.ts";
import { ServerLog } from "./server-log.ts";

const DISK_MEGABYTES = 768;

/** The machine doesn't lose its power here, so nothing has to reach a disk. But what is committed has to outlive the server: `synchronous_commit` stays on. */
const SETTINGS = {
  fsync: "off",
  full_page_writes: "off",
  max_connections: "120",
  track_commit_timestamp: "on",
  log_line_prefix: "[%e] ",
  log_min_error_statement: "error",
  max_wal_size: "128MB",
};

/** A Postgres that can be restarted, and whose disk can be full. */
export class ChaosPostgres {
  readonly disk: SmallDisk;
  readonly log = new ServerLog();
  readonly #options: Parameters<typeof startPostgres>[0];
  #running: RunningPostgres;
  #isStopping = false;

  private constructor(
    disk: SmallDisk,
    log: ServerLog,
    options: Parameters<typeof startPostgres>[0],
    running: RunningPostgres,
  ) {
    this.disk = disk;
    this.log = log;
    this.#options = options;
    this.#running = running;
    this.#watch();
  }

  static async start(folder: string, guardian: Guardian): Promise<ChaosPostgres> {
    const disk = await SmallDisk.mount(join(folder, "disk"), DISK_MEGABYTES);
    const log = new ServerLog();
    const logger = pino(
      { level: "debug" },
      {
        write(line: string) {
          const said: unknown = JSON.parse(line).postgres;
          // `startPostgres` trims what it passes on.
          if (typeof said === "string") log.add(`${said}\n`);
        },
      },
    );
    const options = {
      dataDir: join(disk.folder, "data"),
      persistent: true,
      port: await freePort(),
      settings: SETTINGS,
      logger,
      guardian,
    };
    const running = await startPostgres(options);
    if (disk.missing === null) await moveLogAway(running, options.dataDir, join(folder, "wal"));
    return new ChaosPostgres(disk, log, options, disk.missing === null ? await startPostgres(options) : running);
  }

  get url(): string {
    return this.#running.url;
  }

  /** As `pg_ctl restart -m immediate`: without a word to anybody, and without a checkpoint. */
  async restartImmediately(): Promise<void> {
    const { exited, pid } = this.#running;
    process.kill(pid, "SIGQUIT");
    await exited;
    await this.#untilBack;
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.disk.free();
    await this.#running.stop();
    await this.disk.unmount();
  }

  #untilBack: Promise<void> = Promise.resolve();

  /** As a supervisor does: whenever it ends, it is started again. */
  #watch(): void {
    this.#untilBack = this.#running.exited.then(async () => {
      if (this.#isStopping) return;
      for (;;) {
        const again = await startPostgres(this.#options).catch(() => null);
        if (again === null) continue;
        this.#running = again;
        this.#watch();
        return;
      }
    });
  }
}

/** A full disk under the write-ahead log ends the server; under the tables it fails statements, which is what this is about. */
async function moveLogAway(running: RunningPostgres, dataDir: string, to: string): Promise<void> {
  await running.stop();
  const log = join(dataDir, "pg_wal");
  await promisify(execFile)("cp", ["-a", log, to]);
  await rm(log, { recursive: true });
  await symlink(to, log);
}
