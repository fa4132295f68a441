import { expect, test } from "vitest";
import { judge } from "../../src/worker/verdict.ts";

test.each([
  ["SUCCEEDED", false, "complete"],
  ["SUCCEEDED", true, "complete"],
  ["FAILED", false, "complete"],
  ["FAILED", true, "complete"],
  ["CANCELLED", true, "complete"],
  ["CANCELLED", false, "requeue"],
  ["LOST", false, "requeue"],
  ["LOST", true, "requeue"],
] as const)("judge - %s, a cancel asked for: %s -> %s", (outcome, cancelAsked, verdict) => {
  expect(judge({ outcome }, cancelAsked)).toBe(verdict);
});
