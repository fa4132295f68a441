import { expect, test } from "vitest";
import type { RayTaskAttempt } from "../../src/attempt.ts";
import { describeAttempts, describeRetry } from "../../src/cli/describe-attempts.ts";
import { toRetry } from "../../src/retry-options.ts";

const ATTEMPT: RayTaskAttempt = {
  ...{ fence: 41, attempt: 1, outcome: "FAILED", why: "ValueError: no", worker: "w", error: null },
  ...{ rayTaskId: "16310a0f0a45af5c", rayNodeId: "9fb7ab14a0ffd8ec35f7", rayWorkerId: "5c", pid: 77 },
  ...{ claimedAt: new Date(0), startedAt: new Date(500), finishedAt: new Date(2500), waitSeconds: 0.5, runSeconds: 2 },
};

test("describeAttempts - a line each, with nothing where nothing is known", () => {
  const unstarted = { rayTaskId: null, rayNodeId: null, pid: null, waitSeconds: null, runSeconds: null };
  const table = describeAttempts([ATTEMPT, { ...ATTEMPT, ...unstarted, fence: 42, outcome: "CANCELLED", why: null }]);
  expect(table.split("\n")).toEqual([
    "FENCE  TRY  OUTCOME    CLAIMED                      WAITED   RAN      WORKER  PID  NODE          RAY TASK      WHY",
    "41     1    FAILED     1970-01-01 00:00:00.000 UTC  0.500 s  2.000 s  w       77   9fb7ab14a0ff  16310a0f0a45  ValueError: no",
    "42     1    CANCELLED  1970-01-01 00:00:00.000 UTC                    w",
  ]);
});

test.each([
  [
    null,
    "after 1 s, then times 2, at most 300 s (or less, by chance); on any error; 10 losses to infrastructure allowed",
  ],
  [
    { backoff: { kind: "list", seconds: [1, 30] }, jitter: false, on: ["OSError"], never_on: ["A", "B"], losses: 2 },
    "after 1, 30 s; on OSError, never on A, B; 2 losses to infrastructure allowed",
  ],
  [
    { backoff: { kind: "fixed", seconds: 5 }, on: [] },
    "after 5 s (or less, by chance); on no error; 10 losses to infrastructure allowed",
  ],
] as const)("describeRetry - %j", (stored, line) => {
  expect(describeRetry(toRetry(stored))).toBe(line);
});
