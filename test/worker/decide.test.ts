import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { TaskError } from "../../src/errors.ts";
import { MAX_SECONDS, type PartialRetry } from "../../src/retry-policy.ts";
import { type Circumstances, decide, type EndedResult } from "../../src/worker/decide.ts";
import { taskError } from "../support/seed.ts";
import { PLAIN_TERMS } from "../support/terms.ts";

const VALUE_ERROR = taskError({ type: "ValueError", bases: ["Exception", "BaseException"] });

function ended(fields: Partial<EndedResult> = {}): EndedResult {
  return { outcome: "FAILED", error: VALUE_ERROR, again: null, ...fields };
}

/** The second of five tries; 2 s without jitter, unless `retry` says otherwise. */
function decideOn(result: EndedResult, retry: PartialRetry = {}, circumstances: Partial<Circumstances> = {}) {
  const exact: PartialRetry = { backoff: { kind: "fixed", seconds: 2 }, jitter: false };
  const terms = { ...PLAIN_TERMS, attempt: 2, maxAttempts: 5, retry: { ...exact, ...retry } };
  return decide(result, terms, { cancelAsked: false, random: 0.5, ...circumstances });
}

const RETRY = { word: "retry", afterSeconds: 2, error: VALUE_ERROR };
const FAILED = { word: "complete", state: "FAILED", error: VALUE_ERROR };
const CANCELLED = { word: "complete", state: "CANCELLED", error: null };

describe("decide - by its outcome", () => {
  test.each([
    ["SUCCEEDED", false, { word: "complete", state: "SUCCEEDED", error: null }],
    ["SUCCEEDED", true, { word: "complete", state: "SUCCEEDED", error: null }],
    ["FAILED", false, RETRY],
    ["FAILED", true, FAILED],
    ["TIMED_OUT", false, RETRY],
    ["TIMED_OUT", true, FAILED],
    ["CANCELLED", true, CANCELLED],
    ["CANCELLED", false, { word: "requeue", error: { code: "ServerStopped" } }],
    ["LOST", false, { word: "requeue", error: VALUE_ERROR }],
    ["LOST", true, { word: "requeue", error: VALUE_ERROR }],
    ["SNOOZED", false, { word: "snooze", afterSeconds: 0, error: VALUE_ERROR }],
    ["SNOOZED", true, CANCELLED],
  ] as const)("%s, a cancel asked for: %s", (outcome, cancelAsked, expected) => {
    expect(decideOn(ended({ outcome }), {}, { cancelAsked })).toMatchObject(expected);
  });

  test("without a word on why, it fails by an error that says so", () => {
    expect(decide(ended({ error: null }), PLAIN_TERMS, { cancelAsked: false, random: 0 })).toMatchObject({
      word: "complete",
      error: { type: "Unknown", message: "the sidecar named no error" },
    });
  });
});

describe("decide - which errors are tried again", () => {
  const busy = taskError({ type: "shop.errors.Busy", bases: ["shop.errors.Trouble", "OSError", "Exception"] });

  test.each([
    ["any, unless somebody says which", {}, "retry"],
    ["on its class", { on: ["shop.errors.Busy"] }, "retry"],
    ["on its class without the module", { on: ["Busy"] }, "retry"],
    ["on a base class", { on: ["shop.errors.Trouble"] }, "retry"],
    ["on a base class without the module", { on: ["KeyError", "Trouble"] }, "retry"],
    ["on a builtin base, with its module", { on: ["builtins.OSError"] }, "retry"],
    ["on a part of a name", { on: ["usy", "errors"] }, "complete"],
    ["on its name in another module", { on: ["other.Busy"] }, "complete"],
    ["on another", { on: ["KeyError"] }, "complete"],
    ["on none", { on: [] }, "complete"],
    ["never on it", { never_on: ["Busy"] }, "complete"],
    ["never on a base class", { never_on: ["OSError"] }, "complete"],
    ["never on another", { never_on: ["KeyError"] }, "retry"],
    ["on a base, never on it", { on: ["OSError"], never_on: ["Busy"] }, "complete"],
  ] satisfies [string, PartialRetry, string][])("%s", (_what, retry, word) => {
    expect(decideOn(ended({ error: busy }), retry)).toMatchObject({ word });
  });

  test.each(["InvalidInput", "ResultTooLarge", "ResultNotSerializable", "ResultNotStorable", "UnknownTask"])(
    "%s never, even if named",
    (code) => {
      expect(decideOn(ended({ error: taskError({ code, type: code }) }), { on: [code] })).toMatchObject({
        word: "complete",
        state: "FAILED",
      });
    },
  );

  test.each([
    ["Timeout", "Timeout"],
    ["Timeout", "SoftTimeout"],
    ["Timeout", "TimeoutError"],
    ["rayferry.errors.SoftTimeout", "Timeout"],
    ["rayferry.errors.SoftTimeout", "rayferry.errors.SoftTimeout"],
  ])("a timeout that ended as %s goes by the name %s", (type, name) => {
    const error = taskError({ code: "Timeout", type, bases: [] });
    expect(decideOn(ended({ outcome: "TIMED_OUT", error }), { on: [name] })).toMatchObject({ word: "retry" });
    expect(decideOn(ended({ outcome: "TIMED_OUT", error }), { never_on: [name] })).toMatchObject({ word: "complete" });
  });

  test("what isn't Python's error goes by rayferry's word for it", () => {
    const error = taskError({ code: "OutOfMemory", type: "ray.exceptions.OutOfMemoryError", bases: [] });
    expect(decideOn(ended({ error }), { never_on: ["OutOfMemory"] })).toMatchObject({ word: "complete" });
  });
});

describe("decide - what the task asked for", () => {
  test.each([
    ["Retry, against never_on", { retry: true, after_seconds: null }, { never_on: ["ValueError"] }, RETRY],
    ["Retry, against on", { retry: true, after_seconds: null }, { on: [] }, RETRY],
    [
      "Retry(after), neither capped nor jittered",
      { retry: true, after_seconds: 900 },
      { max_seconds: 1, jitter: true },
      { ...RETRY, afterSeconds: 900 },
    ],
    ["Retry(after=0)", { retry: true, after_seconds: 0 }, {}, { ...RETRY, afterSeconds: 0 }],
    ["NoRetry, against on", { retry: false, after_seconds: null }, { on: ["ValueError"] }, FAILED],
  ] as const)("%s", (_what, again, retry, expected) => {
    expect(decideOn(ended({ again }), retry)).toEqual(expected);
  });

  test("Snooze(seconds), though it is the last try", () => {
    const terms = { ...PLAIN_TERMS, attempt: 1, maxAttempts: 1 };
    const snoozed = ended({ outcome: "SNOOZED", again: { retry: true, after_seconds: 45 } });
    const decision = decide(snoozed, terms, { cancelAsked: false, random: 0 });
    expect(decision).toMatchObject({ word: "snooze", afterSeconds: 45 });
  });

  test("Retry on the last try: FAILED", () => {
    const terms = { ...PLAIN_TERMS, attempt: 3, maxAttempts: 3 };
    const result = ended({ again: { retry: true, after_seconds: 1 } });
    expect(decide(result, terms, { cancelAsked: false, random: 0 })).toEqual(FAILED);
  });
});

test("decide - whatever ends however: no try beyond the last, no retry under a cancel, a wait that can be added to now", () => {
  const error: fc.Arbitrary<TaskError> = fc
    .record({ code: fc.constantFrom("TaskError", "Timeout", "InvalidInput", "OutOfMemory"), type: fc.string() })
    .map(taskError);
  const result: fc.Arbitrary<EndedResult> = fc.record({
    outcome: fc.constantFrom("SUCCEEDED", "FAILED", "TIMED_OUT", "CANCELLED", "SNOOZED", "LOST"),
    error: fc.option(error),
    again: fc.option(fc.record({ retry: fc.boolean(), after_seconds: fc.option(fc.double({ noNaN: true })) })),
  });
  const retry = fc.record(
    { on: fc.array(fc.string()), never_on: fc.array(fc.string()), max_seconds: fc.nat(), jitter: fc.boolean() },
    { requiredKeys: [] },
  );
  const tries = fc.integer({ min: 1, max: 10 });
  fc.assert(
    fc.property(result, tries, tries, retry, fc.boolean(), fc.double({ min: 0, max: 1, noNaN: true }), (...drawn) => {
      const [given, attempt, maxAttempts, policy, cancelAsked, random] = drawn;
      const terms = { ...PLAIN_TERMS, attempt, maxAttempts, retry: policy };
      const decision = decide(given, terms, { cancelAsked, random });
      if (decision.word === "retry") expect(attempt).toBeLessThan(maxAttempts);
      if (cancelAsked) expect(["complete", "requeue"]).toContain(decision.word);
      if (decision.word === "retry" || decision.word === "snooze") {
        expect(decision.afterSeconds).toBeGreaterThanOrEqual(0);
        expect(decision.afterSeconds).toBeLessThanOrEqual(MAX_SECONDS);
      }
      if (decision.word === "complete" && decision.state === "CANCELLED") expect(cancelAsked).toBe(true);
    }),
  );
});
