/** Where `rayferry dev` of this folder is, so that other commands in the folder find its database by themselves. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
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

/** Only our own: a second dev that was refused leaves the first one's alone. */
export function removeDevState(folder: string): void {
  if (readState(folder)?.pid === process.pid) rmSync(join(folder, DEV_FOLDER, FILE), { force: true });
}

/** The database of a live `rayferry dev` in this folder, or null. */
export function findDevDatabase(folder: string): string | null {
  const state = readState(folder);
  return state !== null && isAlive(state.pid) ? state.databaseUrl : null;
}

function readState(folder: string): DevState | null {
  try {
    return JSON.parse(readFileSync(join(folder, DEV_FOLDER, FILE), "utf8")) as DevState;
  } catch {
    return null;
  }
}
