import { setTimeout as delay } from "node:timers/promises";

/** Stops a process, and lets it go on. It may have been killed meanwhile. */
export async function stopFor(pid: number, seconds: number): Promise<void> {
  process.kill(pid, "SIGSTOP");
  await delay(seconds * 1_000);
  try {
    process.kill(pid, "SIGCONT");
  } catch {
    // It has ended.
  }
}
