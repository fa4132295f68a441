import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type Backoff,
  backoffSeconds,
  DEFAULT_RETRY,
  MAX_SECONDS,
  type PartialRetry,
  policyOf,
  type RetryPolicy,
} from "../src/retry-policy.ts";

const seconds = fc.oneof(fc.constantFrom(0, 0.5, 1, 60), fc.double({ min: 0, max: MAX_SECONDS, noNaN: true }));
const backoff: fc.Arbitrary<Backoff> = fc.oneof(
  fc.record({ kind: fc.constant("fixed" as const), seconds }),
  fc.record({
    kind: fc.constant("exponential" as const),
    seconds,
    factor: fc.double({ min: 1, max: 1e6, noNaN: true }),
  }),
  fc.record({ kind: fc.constant("list" as const), seconds: fc.array(seconds, { minLength: 1, maxLength: 5 }) }),
);
const policy: fc.Arbitrary<RetryPolicy> = fc
  .record({ backoff, max_seconds: seconds, jitter: fc.boolean() })
  .map((some) => ({ ...DEFAULT_RETRY, ...some }));
const attempt = fc.oneof(fc.integer({ min: 1, max: 8 }), fc.integer({ min: 1, max: 2 ** 31 - 1 }));
const random = fc.double({ min: 0, max: 1, noNaN: true });

describe("backoffSeconds", () => {
  test("is a number from 0 to the cap, whatever the policy and however many tries there were", () => {
    fc.assert(
      fc.property(policy, attempt, random, (given, n, drawn) => {
        const wait = backoffSeconds(given, n, drawn);
        expect(wait).toBeGreaterThanOrEqual(0);
        expect(wait).toBeLessThanOrEqual(given.max_seconds);
        expect(wait).toBeLessThanOrEqual(MAX_SECONDS);
      }),
    );
  });

  test("with jitter it is that share of what it would be without", () => {
    fc.assert(
      fc.property(policy, attempt, random, (given, n, drawn) => {
        const whole = backoffSeconds({ ...given, jitter: false }, n, drawn);
        expect(backoffSeconds({ ...given, jitter: true }, n, drawn)).toBe(whole * drawn);
      }),
    );
  });

  test("an exponential one never falls, and stays at the cap once it is there", () => {
    fc.assert(
      fc.property(policy, attempt, (given, n) => {
        fc.pre(given.backoff.kind === "exponential");
        const at = (k: number) => backoffSeconds({ ...given, jitter: false }, k, 0);
        expect(at(n + 1)).toBeGreaterThanOrEqual(at(n));
        if (at(n) === given.max_seconds) expect(at(n + 1)).toBe(given.max_seconds);
      }),
    );
  });

  test.each([
    ["fixed", { kind: "fixed", seconds: 7 }, [7, 7, 7, 7, 7]],
    ["exponential", { kind: "exponential", seconds: 2, factor: 3 }, [2, 6, 18, 54, 100]],
    ["a list, whose last repeats", { kind: "list", seconds: [1, 30, 5] }, [1, 30, 5, 5, 5]],
    ["nothing, again and again", { kind: "exponential", seconds: 0, factor: 2 }, [0, 0, 0, 0, 0]],
  ] as const)("%s", (_what, given, waits) => {
    const exact = { ...DEFAULT_RETRY, backoff: given, max_seconds: 100, jitter: false };
    expect([1, 2, 3, 4, 5].map((n) => backoffSeconds(exact, n, 0.5))).toEqual(waits);
  });
});

describe("policyOf", () => {
  test("what isn't said is the default's", () => {
    expect(policyOf(null)).toEqual(DEFAULT_RETRY);
    expect(policyOf({ max_seconds: 5, on: ["A"] })).toEqual({ ...DEFAULT_RETRY, max_seconds: 5, on: ["A"] });
  });

  test("no names at all differ from any: then nothing is tried again", () => {
    expect(policyOf({ on: [] }).on).toEqual([]);
  });

  test("whatever somebody wrote into the column - a policy to go by", () => {
    const keys = fc.constantFrom("backoff", "max_seconds", "jitter", "on", "never_on", "losses", "kind", "seconds");
    fc.assert(
      fc.property(fc.dictionary(keys, fc.jsonValue()), attempt, random, (column, n, drawn) => {
        const given = policyOf(column as PartialRetry);
        expect(backoffSeconds(given, n, drawn)).toBeGreaterThanOrEqual(0);
        expect([...(given.on ?? []), ...given.never_on].every((name) => typeof name === "string")).toBe(true);
        expect(given.losses).toBeGreaterThanOrEqual(0);
      }),
    );
  });
});
