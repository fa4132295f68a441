import { setTimeout as sleep } from "node:timers/promises";

/** Waits for a promise, but not for ever. */
export async function withinTime(promise: Promise<void> | undefined, milliseconds: number): Promise<void> {
  if (promise === undefined) return;
  const timer = new AbortController();
  await Promise.race([promise, sleep(milliseconds, undefined, { signal: timer.signal }).catch(() => {})]);
  timer.abort();
}
