import { join } from "node:path";
import postgres from "postgres";
import { expect } from "vitest";
import { RayTaskBackend, type RayTaskExecution } from "../../src/index.ts";
import { createTestDatabase, type TestDatabase } from "./database.ts";
import { Journal } from "./journal.ts";
import { ProcessMark } from "./processes.ts";
import { joinRayNode, type RayHead, type RayNode, startRayHead } from "./ray-head.ts";
import { waitFor } from "./wait-for.ts";
import { WorkerProcess } from "./worker-process.ts";

export interface WorkerPlace {
  /** Where its task modules are. */
  readonly folder?: string;
  /** Default: the head. */
  readonly node?: RayNode;
  /** Default: that of the head's GCS. */
  readonly address?: string;
}

/** A Ray head, a database, and the workers that a test starts on them. */
export class RayCluster {
  readonly backend: RayTaskBackend;
  /** For raw looks at the rows. */
  readonly sql: postgres.Sql;
  readonly mark = new ProcessMark();
  readonly #database: TestDatabase;
  readonly #head: RayHead;
  readonly #workers: WorkerProcess[] = [];
  readonly #nodes: RayNode[] = [];
  #journals = 0;

  private constructor(database: TestDatabase, head: RayHead) {
    this.#database = database;
    this.#head = head;
    this.backend = new RayTaskBackend({ databaseUrl: database.url });
    this.sql = postgres(database.url, { max: 2, onnotice: () => {} });
  }

  static async start({ cpus = 2 } = {}): Promise<RayCluster> {
    const database = await createTestDatabase();
    return new RayCluster(database, await startRayHead({}, cpus));
  }

  async stop(): Promise<void> {
    await this.backend.close();
    await this.sql.end();
    this.mark.clear();
    for (const node of this.#nodes) await node.kill();
    await this.#head.stop();
    await this.#database.drop();
  }

  /** Another raylet. */
  async join(address: string, cpus: number): Promise<RayNode> {
    const node = await joinRayNode(this.#head, address, cpus);
    this.#nodes.push(node);
    return node;
  }

  start(
    name: string,
    args: readonly string[] = [],
    { folder, node, address = this.#head.address }: WorkerPlace = {},
  ): WorkerProcess {
    const tasks = args.includes("--tasks") ? [] : ["--tasks", "sample_tasks"];
    const worker = WorkerProcess.start({
      args: ["--ray-address", address, "--name", name, ...tasks, ...args],
      env: { ...this.mark.env, RAYFERRY_DATABASE_URL: this.#database.url, RAY_AUTH_MODE: "disabled", ...node?.env },
      ...(folder === undefined ? {} : { folder }),
    });
    this.#workers.push(worker);
    return worker;
  }

  /** So that what a failed test left doesn't take the next one's work. */
  killWorkers(): void {
    for (const worker of this.#workers.splice(0)) worker.signal("SIGKILL");
  }

  async ready(name: string, args: readonly string[] = [], place: WorkerPlace = {}): Promise<WorkerProcess> {
    const worker = this.start(name, args, place);
    await worker.output.until(/worker is ready/);
    return worker;
  }

  /** For a worker that is on no node. */
  clientAddress(): Promise<string> {
    return this.#head.clientAddress();
  }

  get databaseUrl(): string {
    return this.#database.url;
  }

  journal(): Journal {
    this.#journals += 1;
    return new Journal(join(this.mark.folder, `journal-${this.#journals}`));
  }

  /** Executions that run for `seconds`, all begun, and the journal of their bodies: named "0", "1" and so on. */
  async running(count: number, seconds: number, task = "sample.journal") {
    const journal = this.journal();
    const names = Array.from({ length: count }, (_, index) => String(index));
    const executions = await this.backend.enqueueMany(
      names.map((line) => ({ task, input: { path: journal.path, line, seconds } })),
    );
    await journal.untilBegun(names);
    return { executions, journal, names };
  }

  /** Incarnations that hold any of these. */
  async holdersOf(executions: readonly Pick<RayTaskExecution, "id">[]): Promise<string[]> {
    const ids = executions.map(({ id }) => id);
    const rows = await this.sql`
      select distinct holder::text as holder from rayferry.ray_task_execution where id in ${this.sql(ids)} and holder is not null`;
    return rows.map(({ holder }) => String(holder));
  }

  /** Waits until none of these is held by one of `before` any more; seconds since `since`. */
  async untilHeldByOthers(
    executions: readonly Pick<RayTaskExecution, "id">[],
    before: readonly string[],
    since: number,
    timeoutMs = 30_000,
  ): Promise<number> {
    await waitFor(
      "another incarnation holds them",
      async () => (await this.holdersOf(executions)).every((holder) => !before.includes(holder)),
      timeoutMs,
    );
    return (performance.now() - since) / 1000;
  }

  /**
   * They succeeded in their first attempt, nothing was lost to infrastructure, and each body ran once. What a worker had claimed and not yet submitted when it
   * died may have lost that claim: how many did is answered.
   */
  async expectOnce(
    executions: readonly RayTaskExecution[],
    journal: Journal,
    names: readonly string[],
  ): Promise<number> {
    await Promise.all(executions.map((execution) => execution.result({ timeout: 60 })));
    const ids = executions.map(({ id }) => id);
    const ends = await this.sql`
      select state, attempt, count(*)::int as count from rayferry.ray_task_execution where id in ${this.sql(ids)} group by 1, 2`;
    expect(ends).toEqual([{ state: "SUCCEEDED", attempt: 1, count: ids.length }]);
    const lost = await this.sql`
      select error->>'message' as message from rayferry.ray_task_attempt_ended where execution_id in ${this.sql(ids)}`;
    for (const { message } of lost) expect(message).toMatch(/its server never had it/);
    await journal.expectOnce(names);
    return lost.length;
  }
}
