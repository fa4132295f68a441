import { execFile } from "node:child_process";
import { mkdir, rm, statfs, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/** A small file system of the run's own, that can be filled up. */
export class SmallDisk {
  readonly folder: string;
  /** Null: it is there. Else why it isn't: `folder` is an ordinary one then. */
  readonly missing: string | null;
  #isMounted: boolean;

  private constructor(folder: string, missing: string | null) {
    this.folder = folder;
    this.missing = missing;
    this.#isMounted = missing === null;
  }

  /** On `folder`, where mounting is allowed. */
  static async mount(folder: string, megabytes: number): Promise<SmallDisk> {
    await mkdir(folder, { recursive: true });
    try {
      await run("mount", ["-t", "tmpfs", "-o", `size=${megabytes}m,mode=0755`, "tmpfs", folder]);
      return new SmallDisk(folder, null);
    } catch (error) {
      const [why = ""] = String(error instanceof Error ? error.message : error)
        .split("\n")
        .slice(-2);
      return new SmallDisk(folder, `a tmpfs can't be mounted here (${why.trim()})`);
    }
  }

  /** Until not a byte is left. Never what the folder is on: @throws where it isn't mounted, or not any more, as in a run that is stopped meanwhile. */
  async fill(): Promise<void> {
    for (let round = 0; round < 20; round += 1) {
      if (!this.#isMounted) throw new Error(`${this.folder} is no small disk: ${this.missing ?? "it was unmounted"}`);
      const { bavail, bsize } = await statfs(this.folder);
      if (bavail === 0) return;
      await writeFile(this.#ballast(round), Buffer.alloc(bavail * bsize)).catch(() => {});
    }
  }

  async free(): Promise<void> {
    for (let round = 0; round < 20; round += 1) await rm(this.#ballast(round), { force: true });
  }

  async unmount(): Promise<void> {
    this.#isMounted = false;
    if (this.missing === null) await run("umount", ["-l", this.folder]).catch(() => {});
  }

  #ballast(round: number): string {
    return join(this.folder, `ballast-${round}`);
  }
}
