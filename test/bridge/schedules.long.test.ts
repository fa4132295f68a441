import fc from "fast-check";
import { afterEach, beforeEach, test, vi } from "vitest";
import { playSchedule, SCHEDULE } from "../support/session-schedule.ts";

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  vi.useRealTimers();
});

test("BridgeSession - the same over many more schedules", async () => {
  await fc.assert(fc.asyncProperty(SCHEDULE, playSchedule), { numRuns: 200_000 });
});
