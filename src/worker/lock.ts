/**
 * One live worker a folder. The lock is a listening unix socket: the kernel lets go of it when its process dies, however it dies, and a frozen
 * process still holds it. Who connects is told who holds it.
 */
import { renameSync, rmSync } from "node:fs";
import { connect, createServer, type Server } from "node:net";
import { join } from "node:path";
import { WorkerError, WorkerNameTakenError } from "../errors.ts";

export const LOCK_FILE = "lock.sock";

export interface Lock {
  /** It was left behind by a process that is dead now. */
  readonly wasLeft: boolean;
  release(): Promise<void>;
}

/** @throws WorkerNameTakenError when a live process holds it. */
export async function takeLock(folder: string, name: string): Promise<Lock> {
  const path = join(folder, LOCK_FILE);
  const holder = JSON.stringify({ pid: process.pid, since: new Date().toISOString() });
  for (let tries = 0; tries < 3; tries += 1) {
    const server = await tryListen(path, holder);
    if (server !== null) {
      return { wasLeft: tries > 0, release: () => new Promise((resolve) => server.close(() => resolve())) };
    }
    const other = await askHolder(path);
    if (other !== null) throw taken(name, other);
    await clearStale(path, name);
  }
  throw new WorkerError(
    `The lock ${path} can't be taken: several workers named "${name}" start at once. Give each a --name of its own.`,
  );
}

/** Moves the socket of a dead process out of the way, and looks at it once more there: another starter may have put its own in its place meanwhile. */
async function clearStale(path: string, name: string): Promise<void> {
  const aside = `${path}.${process.pid}`;
  try {
    renameSync(path, aside);
  } catch {
    return;
  }
  const other = await askHolder(aside);
  if (other === null) {
    rmSync(aside, { force: true });
    return;
  }
  renameSync(aside, path);
  throw taken(name, other);
}

function taken(name: string, other: string): WorkerNameTakenError {
  return new WorkerNameTakenError(
    `A worker named "${name}" already runs on this host (${other}). Stop it, or give this one another --name.`,
  );
}

function tryListen(path: string, holder: string): Promise<Server | null> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => {
      socket.on("error", () => {});
      socket.end(holder);
    });
    server.once("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "EADDRINUSE") resolve(null);
      else reject(new WorkerError(`The lock ${path} can't be made: ${error.message}.`, { cause: error }));
    });
    server.listen(path, () => {
      server.unref();
      resolve(server);
    });
  });
}

/** What the holder says of itself; "pid unknown" from a frozen one; null when nobody is there. */
function askHolder(path: string): Promise<string | null> {
  return new Promise((resolve) => {
    const socket = connect(path);
    let said = "";
    let connected = false;
    socket.setTimeout(1_000, () => socket.destroy());
    socket.on("connect", () => {
      connected = true;
    });
    socket.on("data", (chunk) => {
      said += chunk.toString();
    });
    socket.on("error", () => {});
    socket.on("close", () => resolve(connected ? describeHolder(said) : null));
  });
}

function describeHolder(said: string): string {
  try {
    const { pid, since } = JSON.parse(said) as { pid: number; since: string };
    return `pid ${pid}, since ${since}`;
  } catch {
    return "pid unknown: it doesn't answer";
  }
}
