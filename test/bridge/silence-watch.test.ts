import { afterEach, beforeEach, expect, test } from "vitest";
import { SilenceWatch } from "../../bridge/src/silence-watch.ts";
import { waitFor } from "../support/wait-for.ts";

let watch: SilenceWatch;
let silentAt: number[];

beforeEach(() => {
  silentAt = [];
  watch = new SilenceWatch(() => silentAt.push(performance.now()), 50);
});

afterEach(() => watch.stop());

/** The event loop stands still, as in a long computation. */
function standStill(milliseconds: number): void {
  const until = performance.now() + milliseconds;
  while (performance.now() < until);
}

test("SilenceWatch - tells once, when nothing was heard", async () => {
  const begun = performance.now();
  watch.start(100);
  await waitFor("silence", () => silentAt.length > 0);
  expect((silentAt[0] ?? 0) - begun).toBeGreaterThan(95);
});

test("SilenceWatch - the event loop stood still for longer: what waited is heard first", async () => {
  watch.start(200);
  standStill(800);
  // As a frame that came meanwhile: Node reads it after the timers that are due.
  await new Promise<void>((resolve) => setTimeout(resolve, 5));
  watch.heard();
  expect(silentAt).toEqual([]);
  const heardAt = performance.now();
  await waitFor("silence after it", () => silentAt.length > 0);
  // The whole time again, not what was left of it.
  expect((silentAt[0] ?? 0) - heardAt).toBeGreaterThan(195);
  expect((silentAt[0] ?? 0) - heardAt).toBeLessThan(700);
});

test("SilenceWatch - nothing was waiting: silence all the same, later by what was missed", async () => {
  watch.start(100);
  standStill(800);
  const continuedAt = performance.now();
  await waitFor("silence", () => silentAt.length > 0);
  expect((silentAt[0] ?? 0) - continuedAt).toBeGreaterThan(600);
});

test("SilenceWatch - stopped, it says nothing, started again or not", async () => {
  watch.start(30);
  watch.stop();
  watch.start(30);
  let turns = 0;
  const timer = setInterval(() => (turns += 1), 10);
  await waitFor("ten turns", () => turns > 10);
  clearInterval(timer);
  expect(silentAt).toEqual([]);
});
