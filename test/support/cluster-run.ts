/** What tests of workers on a real cluster share: workers as processes, executions whose bodies write a journal, and who holds them. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import postgres from "postgres";
import { expect } from "vitest";
import { RayTaskBackend, type RayTaskExecution } from "../../src/index.ts";
import { startCli } from "./cli.ts";
import { createTestDatabase, type TestDatabase } from "./database.ts";
import { Output } from "./output.ts";
import { ProcessMark } from "./processes.ts";
import { type RayHead, startRayHead } from "./ray-head.ts";
import { waitFor } from "./wait-for.ts";

type Env = Readonly<Record<string, string>>;

/** Executions under way, and the lines that their bodies have written. */
export interface RunningWork {
  readonly executions: readonly RayTaskExecution[];
  readonly lines: () => Promise<string[]>;
}

export class ClusterRun {
  readonly mark = new ProcessMark();
  readonly database: TestDatabase;
  readonly head: RayHead;
  readonly backend: RayTaskBackend;
  readonly sql: postgres.Sql;
  #journals = 0;

  private constructor(database: TestDatabase, head: RayHead) {
    this.database = database;
    this.head = head;
    this.backend = new RayTaskBackend({ databaseUrl: database.url });
    this.sql = postgres(database.url, { max: 1, onnotice: () => {} });
  }

  /** A database and a Ray head. */
  static async start(): Promise<ClusterRun> {
    const database = await createTestDatabase();
    return new ClusterRun(database, await startRayHead({}));
  }

  async end(): Promise<void> {
    await this.backend.close();
    await this.sql.end();
    this.mark.clear();
    await this.head.stop();
    await this.database.drop();
  }

  worker(name: string, args: readonly string[] = [], env: Env = {}) {
    const child = startCli(
      ["worker", "--tasks", "sample_tasks", "--ray-address", this.head.address, "--name", name, ...args],
      { env: { ...this.mark.env, RAYFERRY_DATABASE_URL: this.database.url, RAY_AUTH_MODE: "disabled", ...env } },
    );
    return { child, output: new Output(child) };
  }

  async readyWorker(name: string, args: readonly string[] = [], env: Env = {}) {
    const worker = this.worker(name, args, env);
    await worker.output.until(/worker is ready/);
    return worker;
  }

  /** Executions that run for `seconds`, all begun. */
  async running(count: number, seconds: number): Promise<RunningWork> {
    this.#journals += 1;
    const path = join(this.mark.folder, `journal-${this.#journals}`);
    const items = Array.from({ length: count }, (_, index) => ({
      task: "sample.journal",
      input: { path, line: String(index), seconds },
    }));
    const executions = await this.backend.enqueueMany(items);
    const lines = async () => (await readFile(path, "utf8").catch(() => "")).split("\n").filter(Boolean);
    await waitFor("all bodies have begun", async () => (await lines()).length === count, 30_000);
    return { executions, lines };
  }

  async holderOf({ id }: RayTaskExecution): Promise<string> {
    const [row] = await this.sql`select holder::text as holder from rayferry.ray_task_execution where id = ${id}`;
    return String(row?.["holder"]);
  }

  /** Waits until none of them is held by `before`; the seconds since `since`. */
  async untilNewHolder(executions: readonly RayTaskExecution[], before: string, since: number): Promise<number> {
    const ids = executions.map(({ id }) => id);
    const holders = async () =>
      await this
        .sql`select distinct holder::text as holder from rayferry.ray_task_execution where id in ${this.sql(ids)} and holder is not null`;
    await waitFor(
      "another incarnation holds them",
      async () => (await holders()).every(({ holder }) => holder !== before),
      30_000,
    );
    return (performance.now() - since) / 1000;
  }

  /** They succeed in the attempt that they were in. */
  async expectUntouched(executions: readonly RayTaskExecution[]): Promise<void> {
    for (const execution of executions) {
      expect(await execution.result({ timeout: 60 })).toBeTypeOf("string");
      expect(await execution.refresh()).toMatchObject({ state: "SUCCEEDED", attempt: 1, infrastructureLosses: 0 });
      expect(await this.backend.attempts(execution.id)).toHaveLength(1);
    }
  }
}

/** Each body began and ended once. */
export async function expectOnce({ executions, lines }: RunningWork): Promise<void> {
  const all = await lines();
  for (const word of ["begin", "end"]) {
    const said = all.filter((line) => line.startsWith(`${word} `)).map((line) => line.split(" ")[1]);
    expect(said.sort()).toEqual(executions.map((_, index) => String(index)).sort());
  }
}
