import { randomUUID } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from "node:fs";

/**
 * How tests find what was left behind, whatever group or parent it ended up with: a mark in the environment that every process inherits, and a
 * temporary folder that they write to. Both, because a process that sets its title writes over its environment, as Ray's agents do. Reads /proc,
 * so Linux only.
 */
export class ProcessMark {
  readonly value = randomUUID();
  readonly folder = mkdtempSync("/tmp/rt-");
  readonly env: Readonly<Record<string, string>> = { RAYFERRY_TEST_MARK: this.value, TMPDIR: this.folder };

  /** `pid command line` of every live process that has the mark. */
  find(): string[] {
    return readdirSync("/proc")
      .filter((entry) => /^\d+$/.test(entry) && Number(entry) !== process.pid)
      .flatMap((pid) => (this.#isMarked(pid) ? [`${pid} ${commandLine(pid)}`] : []));
  }

  /** Whether that live process has the mark. */
  has(pid: number): boolean {
    return this.#isMarked(String(pid));
  }

  /** Ends what is left, and removes the folder. */
  clear(): void {
    for (const line of this.find()) process.kill(Number.parseInt(line, 10), "SIGKILL");
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }

  #isMarked(pid: string): boolean {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
      // A zombie has ended; its parent only hasn't looked yet.
      if (/\) Z /.test(stat)) return false;
      return readFileSync(`/proc/${pid}/environ`, "utf8").includes(this.value) || this.#usesFolder(pid);
    } catch {
      return false;
    }
  }

  #usesFolder(pid: string): boolean {
    return readdirSync(`/proc/${pid}/fd`).some((descriptor) => {
      try {
        return readlinkSync(`/proc/${pid}/fd/${descriptor}`).startsWith(this.folder);
      } catch {
        return false;
      }
    });
  }
}

/** "(ended)" where it has. */
export function commandLine(pid: string | number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ");
  } catch {
    return "(ended)";
  }
}

/** Running, and not merely a zombie that waits for its parent. */
export function isRunning(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return !/^ [ZX] /.test(stat.slice(stat.lastIndexOf(")") + 1));
  } catch {
    return false;
  }
}
