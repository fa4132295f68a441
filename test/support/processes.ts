import { randomUUID } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";

/**
 * A mark in the environment that every process started below inherits, whatever group or parent it ends up with: how tests find what was left
 * behind. Reads /proc, so Linux only.
 */
export class ProcessMark {
  readonly value = randomUUID();
  readonly env: Readonly<Record<string, string>> = { RAYFERRY_TEST_MARK: this.value };

  /** `pid command line` of every live process that has the mark. */
  find(): string[] {
    return readdirSync("/proc")
      .filter((entry) => /^\d+$/.test(entry) && Number(entry) !== process.pid)
      .flatMap((pid) => (this.#isMarked(pid) ? [`${pid} ${commandLine(pid)}`] : []));
  }

  #isMarked(pid: string): boolean {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
      // A zombie has ended; its parent only hasn't looked yet.
      if (/\) Z /.test(stat)) return false;
      return readFileSync(`/proc/${pid}/environ`, "utf8").includes(this.value);
    } catch {
      return false;
    }
  }
}

function commandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").slice(0, 120);
  } catch {
    return "(ended)";
  }
}
