import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

export interface Owner {
  readonly child: ChildProcess;
  readonly pid: number;
  readonly guardian: number;
  readonly grandchild: number;
  readonly url: string;
}

/** Starts owner.ts and returns once it has said what it started. */
export async function startOwner(...args: string[]): Promise<Owner> {
  const script = fileURLToPath(new URL("./owner.ts", import.meta.url));
  const child = spawn(process.execPath, [script, ...args], { stdio: ["ignore", "pipe", "inherit"] });
  const line = await new Promise<string>((resolve, reject) => {
    child.stdout.once("data", (chunk: Buffer) => resolve(chunk.toString()));
    child.once("exit", (code) => reject(new Error(`owner.ts ended with ${code}`)));
  });
  return { child, ...(JSON.parse(line) as Omit<Owner, "child">) };
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
