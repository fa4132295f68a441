/** Where `rayferry dev` of this folder is, or was, so that other commands in the folder find its database by themselves. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DevRunningError } from "./errors.ts";
import { isFree } from "./free-port.ts";
import { isAlive } from "./process-alive.ts";

export const DEV_FOLDER = ".rayferry";
const FILE = "dev.json";

interface DevState {
  readonly pid: number;
  readonly databaseUrl: string;
}

/** Makes the folder's `.rayferry`, which git ignores. */
export function makeDevFolder(folder: string): string {
  const path = join(folder, DEV_FOLDER);
  mkdirSync(path, { recursive: true });
  writeFileSync(join(path, ".gitignore"), "*\n");
  return path;
}

export function writeDevState(folder: string, databaseUrl: string): void {
  const state: DevState = { pid: process.pid, databaseUrl };
  writeFileSync(join(folder, DEV_FOLDER, FILE), `${JSON.stringify(state)}\n`, { mode: 0o600 });
}

/** The database of a live `rayferry dev` in this folder, or null. */
export function findDevDatabase(folder: string): string | null {
  const state = readState(folder);
  return state !== null && isAlive(state.pid) ? state.databaseUrl : null;
}

/**
 * The port of the last run's Postgres when nothing else has it now, so that a URL that was copied stays good; undefined: any.
 *
 * @throws DevRunningError when another `rayferry dev` of this folder is alive.
 */
export async function choosePort(folder: string): Promise<number | undefined> {
  const state = readState(folder);
  if (state === null) return undefined;
  const port = Number(new URL(state.databaseUrl).port);
  const isTaken = !(await isFree(port));
  // Numbers of processes come round: only together do they say that it is alive.
  if (isTaken && isAlive(state.pid)) throw new DevRunningError(state.pid);
  return isTaken ? undefined : port;
}

function readState(folder: string): DevState | null {
  try {
    return JSON.parse(readFileSync(join(folder, DEV_FOLDER, FILE), "utf8")) as DevState;
  } catch {
    return null;
  }
}
