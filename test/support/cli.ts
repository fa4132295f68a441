import { type ChildProcess, spawn } from "node:child_process";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { TASKS_FOLDER } from "./sync-worker.ts";

const MAIN = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));

/** Milliseconds for a command that is to end by itself. */
const LONGEST = 12_000;

const COMPILE_CACHE = join(tmpdir(), "rayferry-test-compile-cache");

export interface CliRun {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CliOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** Starts `rayferry ARGS` from the sources; the caller ends it. */
export function startCli(args: readonly string[], options: CliOptions = {}): ChildProcess {
  const { RAYFERRY_DATABASE_URL: _url, RAYFERRY_TASKS: _tasks, ...env } = process.env;
  return spawn(process.execPath, [MAIN, ...args], {
    cwd: options.cwd ?? TASKS_FOLDER,
    // Halves the time of a command that is started many times.
    env: { NODE_COMPILE_CACHE: COMPILE_CACHE, ...env, ...options.env },
    stdio: ["ignore", "pipe", "pipe"],
  });
}

/** Runs `rayferry ARGS` to its end. */
export async function cli(args: readonly string[], options: CliOptions = {}): Promise<CliRun> {
  const child = startCli(args, options);
  let stdout = "";
  let stderr = "";
  child.stdout?.on("data", (chunk: Buffer) => {
    stdout += chunk.toString();
  });
  child.stderr?.on("data", (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  // One that goes on where it should have ended must not outlive the test.
  const timer = setTimeout(() => child.kill("SIGTERM"), LONGEST);
  const status = await new Promise<number | null>((resolve) => child.once("close", resolve));
  clearTimeout(timer);
  return { status, stdout, stderr };
}
