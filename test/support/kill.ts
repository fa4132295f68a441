import { setTimeout as delay } from "node:timers/promises";
import type { RayCluster } from "./ray-cluster.ts";
import type { SteadyLoad } from "./steady-load.ts";
import { waitFor } from "./wait-for.ts";
import type { WorkerProcess } from "./worker-process.ts";

/** What is killed by SIGKILL. A worker is started again at once, as a supervisor would. */
export const KILLS = ["worker", "sidecar", "both", "worker, and again while it starts"] as const;
export type Kill = (typeof KILLS)[number];

/** The longest that a worker lives before it is killed while it starts, in milliseconds: it is ready after 2 to 4 s. */
const WHILE_STARTING = 2_500;

export interface Recovery {
  readonly kill: Kill;
  /** Seconds from the last kill until the running work was held by a new incarnation. */
  readonly adopted: number;
  /** ... and until the next short execution had ended. */
  readonly nextResult: number;
}

/** A worker of a name, killed and started again under load. */
export class Killing {
  readonly #cluster: RayCluster;
  readonly #load: SteadyLoad;
  readonly #name: string;
  readonly #random: () => number;
  #worker: WorkerProcess;

  private constructor(
    cluster: RayCluster,
    load: SteadyLoad,
    name: string,
    random: () => number,
    worker: WorkerProcess,
  ) {
    this.#cluster = cluster;
    this.#load = load;
    this.#name = name;
    this.#random = random;
    this.#worker = worker;
  }

  static async start(cluster: RayCluster, load: SteadyLoad, name: string, random: () => number): Promise<Killing> {
    const worker = await cluster.ready(name);
    load.start();
    await load.untilLongOnesRun();
    return new Killing(cluster, load, name, random, worker);
  }

  async kill(kill: Kill): Promise<Recovery> {
    const long = this.#load.underWay;
    const before = await this.#cluster.holdersOf(long);
    if (kill === "worker, and again while it starts") {
      await this.#killWorker();
      await delay(this.#random() * WHILE_STARTING);
      // It may have adopted already.
      before.push(...(await this.#cluster.holdersOf(long)));
    }
    const since = await this.#killNow(kill);
    const adopted = await this.#cluster.untilHeldByOthers(long, before, since, 60_000);
    await this.#load.untilNextShort();
    const nextResult = (performance.now() - since) / 1000;
    await waitFor("the worker has a sidecar", () => this.#worker.sidecar !== null);
    return { kill, adopted, nextResult };
  }

  /** SIGTERM; the exit status. */
  terminate(): Promise<number | null> {
    return this.#worker.terminate();
  }

  async #killNow(kill: Kill): Promise<number> {
    if (kill === "sidecar" || kill === "both") this.#worker.signalSidecar("SIGKILL");
    return kill === "sidecar" ? performance.now() : await this.#killWorker();
  }

  async #killWorker(): Promise<number> {
    this.#worker.signal("SIGKILL");
    const killedAt = performance.now();
    this.#worker = this.#cluster.start(this.#name);
    return killedAt;
  }
}

/** What is printed of the recoveries: median and longest, together and for each kind. */
export function describeRecoveries(recoveries: readonly Recovery[]): string {
  const kinds = KILLS.filter((kill) => recoveries.some((each) => each.kill === kill));
  const row = (what: string, of: readonly Recovery[]) =>
    `${what}: ${of.length} kills; held again after p50 ${median(of.map((each) => each.adopted)).toFixed(1)} s, ` +
    `max ${Math.max(...of.map((each) => each.adopted)).toFixed(1)} s; next result after p50 ` +
    `${median(of.map((each) => each.nextResult)).toFixed(1)} s, max ${Math.max(...of.map((each) => each.nextResult)).toFixed(1)} s`;
  const rows = kinds.map((kill) =>
    row(
      kill,
      recoveries.filter((each) => each.kill === kill),
    ),
  );
  return [...rows, row("all", recoveries)].join("\n");
}

function median(numbers: readonly number[]): number {
  return [...numbers].sort((a, b) => a - b)[numbers.length >> 1] ?? Number.NaN;
}
