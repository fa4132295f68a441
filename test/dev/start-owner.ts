import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { isRunning } from "../support/processes.ts";

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

/** Ends what a failed test may have left. */
export function endOwner(owner: Owner | undefined): void {
  owner?.child.kill("SIGKILL");
  for (const pid of [owner?.pid, owner?.grandchild, owner?.guardian])
    if (pid !== undefined && isRunning(pid)) process.kill(pid, "SIGKILL");
}
