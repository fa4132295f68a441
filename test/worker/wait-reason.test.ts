import { expect, test } from "vitest";
import { waitReason } from "../../src/worker/wait-reason.ts";
import { taskError } from "../support/seed.ts";
import { PLAIN_TERMS } from "../support/terms.ts";

const TERMS = { ...PLAIN_TERMS, attempt: 1, maxAttempts: 5 };

test.each([
  [3.2468, taskError({ message: "no more disk" }), "Attempt 2 of 5 in 3.2 s after ValueError: no more disk"],
  [0, taskError({ message: "a\nb" }), "Attempt 2 of 5 in 0 s after ValueError: a"],
  [612.6, taskError({ type: "shop.Busy", message: "" }), "Attempt 2 of 5 in 613 s after shop.Busy"],
  [1, taskError({ message: "x".repeat(500) }), `Attempt 2 of 5 in 1 s after ValueError: ${"x".repeat(197)}...`],
])("waitReason - a retry in %d s", (afterSeconds, error, sentence) => {
  expect(waitReason({ word: "retry", afterSeconds, error }, TERMS)).toBe(sentence);
});

test("waitReason - a snooze", () => {
  const snooze = { word: "snooze", afterSeconds: 30, error: null } as const;
  expect(waitReason(snooze, TERMS)).toBe("Snoozed for 30 s: it uses no attempt.");
  const error = taskError({ code: "Snooze", type: "Snooze", message: "the shop is closed\nuntil nine" });
  expect(waitReason({ ...snooze, error }, TERMS)).toBe("Snoozed for 30 s: the shop is closed");
});
