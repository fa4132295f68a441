import type { ChildProcess } from "node:child_process";
import { waitFor } from "./wait-for.ts";

/** What a process has printed so far, and waiting for a piece of it. */
export class Output {
  text = "";
  readonly ended: Promise<number | null>;

  constructor(child: ChildProcess) {
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on("data", (chunk: Buffer) => {
        this.text += chunk.toString();
      });
    }
    this.ended = new Promise((resolve) => child.once("close", resolve));
  }

  /** Waits until the text so far has the pattern. */
  async until(pattern: RegExp, timeoutMs = 60_000): Promise<RegExpMatchArray> {
    await waitFor(String(pattern), () => pattern.test(this.text), timeoutMs).catch((error: unknown) => {
      throw new Error(`${error instanceof Error ? error.message : error}; it said:\n${this.text.slice(-3_000)}`);
    });
    return this.text.match(pattern) as RegExpMatchArray;
  }
}
