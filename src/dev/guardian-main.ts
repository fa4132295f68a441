/** The guardian's process. See guardian.ts; started by it alone. */
import { readFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import type { GuardianMessage } from "./guardian.ts";
import { isAlive } from "./process-alive.ts";

const KILL_AFTER_MS = 5_000;
const POLL_MS = 50;

interface Watched {
  readonly signal: NodeJS.Signals;
  /** When the process began, so that a number that was given to another process since is left alone. */
  readonly startedAt: string | null;
}

const watched = new Map<number, Watched>();
const folders = new Set<string>();
let closed = false;

// It leaves when the pipe ends, and only then: a service manager signals all of us at once, and the owner stops things in order.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => {});

for await (const line of createInterface({ input: process.stdin })) {
  apply(JSON.parse(line) as GuardianMessage);
}
if (!closed) await endEverything();

function apply(message: GuardianMessage): void {
  switch (message.type) {
    case "watch":
      watch(message.pid, message.signal);
      break;
    case "forget":
      watched.delete(message.pid);
      break;
    case "removeFolder":
      folders.add(message.path);
      break;
    case "keepFolder":
      folders.delete(message.path);
      break;
    case "close":
      closed = true;
      break;
  }
}

function watch(pid: number, signal: NodeJS.Signals): void {
  const startedAt = startTime(pid);
  const alreadyEnded = process.platform === "linux" && pid > 0 && startedAt === null;
  if (!alreadyEnded) watched.set(pid, { signal, startedAt });
}

async function endEverything(): Promise<void> {
  signalAll((each) => each.signal);
  const deadline = performance.now() + KILL_AFTER_MS;
  while (performance.now() < deadline && living().length > 0) await delay(POLL_MS);
  signalAll(() => "SIGKILL");
  // Postgres' children need a moment to see that their parent is gone; a folder can't be removed under their hands.
  await Promise.all([...folders].map((path) => rm(path, { recursive: true, force: true, maxRetries: 20 })));
}

function signalAll(choose: (each: Watched) => NodeJS.Signals): void {
  for (const [pid, each] of living()) {
    try {
      process.kill(pid, choose(each));
    } catch {
      // It ended between the look and the signal.
    }
  }
}

function living(): [number, Watched][] {
  return [...watched].filter(([pid, each]) => isAlive(pid) && isSame(pid, each));
}

function isSame(pid: number, each: Watched): boolean {
  const now = startTime(pid);
  // A group lives on without its leader, and its number isn't given away as long as it does.
  if (now === null) return pid < 0 || each.startedAt === null;
  return each.startedAt === null || each.startedAt === now;
}

/** Clock ticks from boot to the start of the process, from Linux's /proc; null where there is none. */
function startTime(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${Math.abs(pid)}/stat`, "utf8");
    const [state, ...rest] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    // A zombie has ended; nobody but its parent can make it vanish.
    return state === "Z" ? "ended" : (rest[18] ?? null);
  } catch {
    return null;
  }
}
