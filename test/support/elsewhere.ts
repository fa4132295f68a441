/** Servers started by hand and workers that connect to them: what the tests of both share. Each file has its own stage. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pino } from "pino";
import postgres from "postgres";
import { RayTaskBackend, type RayTaskExecution } from "../../src/index.ts";
import { Worker, type WorkerOptions } from "../../src/worker/index.ts";
import { startCli } from "./cli.ts";
import { createTestDatabase, type TestDatabase } from "./database.ts";
import { Output } from "./output.ts";
import { ServerProcess, SYNC } from "./server-process.ts";
import { temporaryFolder } from "./sync-worker.ts";
import { waitFor } from "./wait-for.ts";

export class ElsewhereStage {
  readonly database: TestDatabase;
  readonly backend: RayTaskBackend;
  readonly folder: { readonly path: string; remove(): Promise<void> };
  readonly sql: postgres.Sql;
  readonly #endings: (() => Promise<unknown>)[] = [];
  #count = 0;

  private constructor(
    database: TestDatabase,
    backend: RayTaskBackend,
    folder: { readonly path: string; remove(): Promise<void> },
  ) {
    this.database = database;
    this.backend = backend;
    this.folder = folder;
    this.sql = postgres(database.url, { max: 1, onnotice: () => {} });
  }

  static async open(): Promise<ElsewhereStage> {
    const database = await createTestDatabase();
    const backend = new RayTaskBackend({ databaseUrl: database.url });
    return new ElsewhereStage(database, backend, await temporaryFolder());
  }

  /** After each test, the last first. */
  onEnd(end: () => Promise<unknown>): void {
    this.#endings.push(end);
  }

  async clear(): Promise<void> {
    for (const end of this.#endings.splice(0).reverse()) await end();
  }

  async close(): Promise<void> {
    await this.backend.close();
    await this.sql.end();
    await this.folder.remove();
    await this.database.drop();
  }

  /** A server without Ray. */
  async serve(listen = "tcp://127.0.0.1:0", options: readonly string[] = []): Promise<ServerProcess> {
    const server = await ServerProcess.start(listen, [...SYNC, ...options]);
    this.onEnd(() => server.end());
    return server;
  }

  /** A worker in this process, not started, and the sentences that it logs. */
  worker(server: string, options: Partial<WorkerOptions> = {}) {
    const said: string[] = [];
    const logger = pino({}, { write: (line) => void said.push((JSON.parse(line) as { msg: string }).msg) });
    const name = `elsewhere-${this.#next()}`;
    const worker = new Worker({ databaseUrl: this.database.url, name, server, logger, ...options });
    this.onEnd(() => worker.stop(0));
    return { worker, said, name };
  }

  /** A worker in a process of its own, ready. */
  async workerProcess(args: readonly string[], name: string, env: Readonly<Record<string, string>> = {}) {
    const child = startCli(["worker", "--name", name, ...args], {
      env: { ...env, RAYFERRY_DATABASE_URL: this.database.url },
    });
    const output = new Output(child);
    this.onEnd(async () => {
      child.kill("SIGKILL");
      await output.ended;
    });
    await output.until(/worker is ready/);
    return { child, output };
  }

  /** An execution that runs until `open` is called. */
  async heldExecution(): Promise<{ execution: RayTaskExecution; open: () => Promise<void> }> {
    const gate = join(this.folder.path, `gate-${this.#next()}`);
    const execution = await this.backend.enqueue("sample.wait_for_file", { path: gate });
    const begun = () =>
      this.sql`select from rayferry.ray_task_execution where id = ${execution.id} and started_at is not null`;
    await waitFor("it runs", async () => (await begun()).length === 1);
    return { execution, open: () => writeFile(gate, "") };
  }

  #next(): number {
    this.#count += 1;
    return this.#count;
  }
}
