/** What task bodies themselves wrote to a file that Postgres knows nothing of: `begin LINE ...`, `end LINE ...`; see sample_tasks.py. */
import { readFile } from "node:fs/promises";
import { expect } from "vitest";
import { waitFor } from "./wait-for.ts";

/** One run of a body, by the clock that the machine's processes share. `end` null: it was cut off, and `last` is its last sign of life. */
export interface Life {
  readonly begin: number;
  last: number;
  end: number | null;
}

/** Seconds of that clock, now. */
export function sharedClock(): number {
  return Number(process.hrtime.bigint()) / 1e9;
}

export class Journal {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  /** Whose existence ends the bodies of `sample.hold`. */
  get release(): string {
    return `${this.path}-release`;
  }

  async lines(): Promise<string[]> {
    return (await readFile(this.path, "utf8").catch(() => "")).split("\n").filter(Boolean);
  }

  /** The LINEs of every `begin` or `end`, sorted. */
  async said(word: "begin" | "end"): Promise<string[]> {
    const all = await this.lines();
    return all
      .filter((line) => line.startsWith(`${word} `))
      .map((line) => line.split(" ")[1] ?? "")
      .sort();
  }

  async untilBegun(names: readonly string[], timeoutMs = 30_000): Promise<void> {
    const haveBegun = async () => {
      const begun = new Set(await this.said("begin"));
      return names.every((name) => begun.has(name));
    };
    await waitFor("all bodies have begun", haveBegun, timeoutMs);
  }

  /** Each body began once and ended once, and nobody else's did. */
  async expectOnce(names: readonly string[]): Promise<void> {
    const sorted = [...names].sort();
    expect(await this.said("begin")).toEqual(sorted);
    expect(await this.said("end")).toEqual(sorted);
  }

  /** Of bodies that pulse: their lives, in order. */
  async lives(name: string): Promise<Life[]> {
    const lives = new Map<string, Life>();
    for (const line of await this.lines()) {
      const [word, of, life = "", at] = line.split(" ");
      if (of !== name) continue;
      const time = Number(at);
      const known = lives.get(life) ?? { begin: time, last: time, end: null };
      known.last = time;
      if (word === "end") known.end = time;
      lives.set(life, known);
    }
    return [...lives.values()].sort((a, b) => a.begin - b.begin);
  }

  /** No two lives of one execution at the same time. */
  async expectApart(names: readonly string[]): Promise<void> {
    for (const name of names) {
      const lives = await this.lives(name);
      for (const [index, life] of lives.entries()) {
        const next = lives[index + 1];
        if (next !== undefined)
          expect(life.last, `${name}: a life ended before the next began`).toBeLessThan(next.begin);
      }
    }
  }
}
