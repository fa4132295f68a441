import { readFile } from "node:fs/promises";
import type { Life } from "./history.ts";

interface Line {
  readonly word: "begin" | "pulse" | "returned" | "raised" | "snoozed" | "interrupted";
  readonly life: string;
  readonly at: number;
  readonly id?: string;
  readonly attempt?: number;
  readonly fence?: number;
  readonly pid?: number;
}

type Growing = { -readonly [Key in keyof Life]: Life[Key] };

/** The lives that bodies wrote down, by their beginnings; see tasks/chaos_tasks.py. */
export async function readLives(path: string): Promise<Life[]> {
  const text = await readIfThere(path);
  // Each line is written at once, but may be read while it is.
  const whole = text.slice(0, text.lastIndexOf("\n") + 1);
  return livesOf(
    whole
      .split("\n")
      .filter(Boolean)
      .map((line) => JSON.parse(line) as Line),
  );
}

/** Empty where nobody has written yet; any other error is the caller's. */
export async function readIfThere(path: string): Promise<string> {
  return await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return "";
    throw error;
  });
}

export function livesOf(lines: readonly Line[]): Life[] {
  const lives = new Map<string, Growing>();
  for (const { word, life, at, id = "", attempt = 0, fence = 0, pid = 0 } of lines) {
    if (word === "begin") lives.set(life, { id, life, fence, attempt, pid, begin: at, last: at, end: null });
    const known = lives.get(life);
    if (known === undefined) continue;
    known.last = at;
    if (word !== "begin" && word !== "pulse") known.end = word;
  }
  return [...lives.values()].sort((a, b) => a.begin - b.begin);
}
