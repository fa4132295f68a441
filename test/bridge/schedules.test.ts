import fc from "fast-check";
import { afterEach, beforeEach, test, vi } from "vitest";
import { rounds } from "../support/effort.ts";
import { playSchedule, SCHEDULE } from "../support/session-schedule.ts";

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  vi.useRealTimers();
});

test("BridgeSession - whatever is lost, repeated or broken off, each message arrives once and in order", async () => {
  await fc.assert(fc.asyncProperty(SCHEDULE, playSchedule), { numRuns: rounds(3_000, 500) });
});
