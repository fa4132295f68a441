import { setTimeout as delay } from "node:timers/promises";
import { expect } from "vitest";

/** Waits until `condition` says true; looks every 20 ms. Fails by name after `timeoutMs`. */
export async function waitFor(
  what: string,
  condition: () => boolean | Promise<boolean>,
  timeoutMs = 10_000,
): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!(await condition())) {
    if (performance.now() > deadline) expect.fail(`waited ${timeoutMs} ms in vain for: ${what}`);
    await delay(20);
  }
}
