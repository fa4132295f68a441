import type { RayTaskExecution } from "../../src/index.ts";
import type { Journal } from "./journal.ts";
import type { RayCluster } from "./ray-cluster.ts";
import { waitFor } from "./wait-for.ts";
import { WorkerProcess } from "./worker-process.ts";

/** Where a worker's server lives: in an actor of the cluster, or in its own sidecar with a Ray of its own. */
export type Runner = "hosted" | "local";

/** Workers that are killed while they run long bodies, and started again by whoever supervises them. */
export class Fleet {
  readonly #cluster: RayCluster;
  readonly #runner: Runner;
  readonly #journal: Journal;
  readonly #workers = new Map<string, WorkerProcess>();
  #enqueued = 0;
  readonly executions = new Map<string, RayTaskExecution>();

  constructor(cluster: RayCluster, runner: Runner) {
    this.#cluster = cluster;
    this.#runner = runner;
    this.#journal = cluster.journal();
  }

  async start(name: string): Promise<void> {
    const worker = this.#runner === "hosted" ? this.#cluster.start(name) : this.#startLocal(name);
    this.#workers.set(name, worker);
    await worker.output.until(/worker is ready/, 60_000);
  }

  /** Enqueues until `count` bodies of `seconds` haven't ended, and waits until each has begun. */
  async keepRunning(count: number, seconds: () => number): Promise<void> {
    const ended = new Set(await this.#journal.said("end"));
    const underWay = [...this.executions.keys()].filter((name) => !ended.has(name));
    for (let missing = count - underWay.length; missing > 0; missing -= 1) {
      const line = `long-${this.#enqueued}`;
      this.#enqueued += 1;
      const input = { path: this.#journal.path, line, seconds: seconds() };
      this.executions.set(line, await this.#cluster.backend.enqueue("sample.journal", input));
      underWay.push(line);
    }
    await this.#journal.untilBegun(underWay, 60_000);
  }

  /** SIGKILL to one that holds something, and again to whoever is restarted `atOnce`; seconds until all that it held goes on elsewhere. */
  async kill({ atOnce }: { readonly atOnce: boolean }): Promise<number> {
    const { name, holder, lines } = await this.#victim();
    const begun = await this.#beginnings();
    this.#workers.get(name)?.signal("SIGKILL");
    const since = performance.now();
    const restarted = atOnce ? this.start(name) : null;
    await waitFor(
      `what ${name} ran goes on`,
      async () =>
        this.#runner === "hosted" ? await this.#isHeldBut(holder, lines) : await this.#hasBegunAgain(lines, begun),
      60_000,
    );
    const seconds = (performance.now() - since) / 1000;
    await (restarted ?? this.start(name));
    return seconds;
  }

  /** Their next loss would be their second, which has a backoff of its own. */
  async retire(): Promise<void> {
    const { sql } = this.#cluster;
    const lost = await sql`
      select id::text as id, input->>'line' as line from rayferry.ray_task_execution where infrastructure_losses > 0 and finished_at is null`;
    for (const { id, line } of lost) {
      const execution = await this.#cluster.backend.cancel(String(id), { reason: "lost once" });
      this.executions.delete(String(line));
      await waitFor("it is cancelled", async () => (await execution.refresh()).state === "CANCELLED");
    }
  }

  async finish(): Promise<void> {
    for (const execution of this.executions.values()) await execution.result({ timeout: 180 });
    for (const worker of this.#workers.values()) await worker.terminate();
  }

  #startLocal(name: string): WorkerProcess {
    const env = { ...this.#cluster.mark.env, RAYFERRY_DATABASE_URL: this.#cluster.databaseUrl };
    return WorkerProcess.start({ args: ["--runner", "local", "--name", name, "--tasks", "sample_tasks"], env });
  }

  /** A worker that holds long ones which have begun. */
  async #victim(): Promise<{ name: string; holder: string; lines: string[] }> {
    const { sql } = this.#cluster;
    const rows = await sql`
      select e.worker, e.holder::text as holder, array_agg(e.input->>'line') as lines from rayferry.ray_task_execution e
      where e.holder is not null group by 1, 2 order by random() limit 1`;
    const [row] = rows;
    if (row === undefined) throw new Error("Nobody holds anything.");
    return { name: String(row["worker"]), holder: String(row["holder"]), lines: row["lines"] as string[] };
  }

  async #isHeldBut(holder: string, lines: readonly string[]): Promise<boolean> {
    const ids = lines.map((line) => this.executions.get(line)?.id ?? "");
    const { sql } = this.#cluster;
    const [row] = await sql`
      select count(*)::int as count from rayferry.ray_task_execution e where id in ${sql(ids)} and (finished_at is not null or holder <> ${holder} and exists (
        select from rayferry.task_worker_lease l where l.id = e.holder and l.state = 'READY' and l.expires_at > now()))`;
    return row?.["count"] === ids.length;
  }

  async #beginnings(): Promise<Map<string, number>> {
    const counts = new Map<string, number>();
    for (const line of await this.#journal.said("begin")) counts.set(line, (counts.get(line) ?? 0) + 1);
    return counts;
  }

  async #hasBegunAgain(lines: readonly string[], before: ReadonlyMap<string, number>): Promise<boolean> {
    const now = await this.#beginnings();
    return lines.every((line) => (now.get(line) ?? 0) > (before.get(line) ?? 0));
  }
}
