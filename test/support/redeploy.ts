import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "vitest";
import { isRunning } from "./processes.ts";
import type { RayCluster } from "./ray-cluster.ts";
import { serversOf } from "./servers.ts";
import { TASKS_FOLDER } from "./sync-worker.ts";
import { waitFor } from "./wait-for.ts";
import type { WorkerProcess } from "./worker-process.ts";

const MODULE = "deploy_tasks.py";
const ARGS = ["--tasks", "deploy_tasks"];

/** Workers whose task code is replaced, one worker after the other. */
export class Deployment {
  readonly #cluster: RayCluster;
  readonly #names: readonly string[];
  readonly #workers = new Map<string, WorkerProcess>();

  constructor(cluster: RayCluster, names: readonly string[]) {
    this.#cluster = cluster;
    this.#names = names;
  }

  /** Each worker ends and is started with the code of that version, which tasks of `deploy_tasks` return. Answers the database's time after the last. */
  async roll(version: string, signal: "SIGTERM" | "SIGKILL" = "SIGTERM"): Promise<Date> {
    const folder = await this.#folder(version);
    for (const name of this.#names) {
      const old = this.#workers.get(name);
      old?.signal(signal);
      if (signal === "SIGTERM" && old !== undefined) expect(await old.output.ended).toBe(0);
      this.#workers.set(name, await this.#cluster.ready(name, ARGS, { folder }));
    }
    const [row] = await this.#cluster.sql`select now() as now`;
    return row?.["now"] as Date;
  }

  /** Each worker has the one server of its newest code, and the processes of all others are gone. */
  async untilOldServersAreGone(timeoutMs = 60_000): Promise<Date> {
    for (const name of this.#names) {
      await waitFor(
        `the old servers of ${name} are gone`,
        async () => {
          const servers = await serversOf(this.#cluster.sql, name);
          return servers.every(({ pid, isEnded, isInService }) => isInService || (isEnded && !isRunning(pid)));
        },
        timeoutMs,
      );
      const inService = (await serversOf(this.#cluster.sql, name)).filter((each) => each.isInService);
      expect(inService.map(({ pid }) => isRunning(pid))).toEqual([true]);
    }
    return new Date();
  }

  async terminate(): Promise<void> {
    for (const worker of this.#workers.values()) expect(await worker.terminate()).toBe(0);
  }

  async #folder(version: string): Promise<string> {
    const folder = join(this.#cluster.mark.folder, `code-${version}`);
    await mkdir(folder, { recursive: true });
    const source = await readFile(join(TASKS_FOLDER, MODULE), "utf8");
    await writeFile(join(folder, MODULE), source.replace('VERSION = "A"', `VERSION = "${version}"`));
    return folder;
  }
}
