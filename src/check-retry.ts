import { ConfigurationError } from "./errors.ts";
import type { RetryOptions } from "./retry-options.ts";
import { MAX_SECONDS } from "./retry-policy.ts";
import { shown } from "./shown.ts";
import { didYouMean } from "./suggest.ts";

const KNOWN = ["backoff", "maxDelay", "jitter", "on", "neverOn", "losses"];
/** Postgres' integer. */
const MAX_COUNT = 2 ** 31 - 1;
const MAX_LISTED = 1_000;

/** @throws ConfigurationError */
export function checkRetryOptions(retry: RetryOptions): void {
  if (!isObject(retry))
    throw new ConfigurationError(
      `retry must be an object like { backoff: 5, on: ["TimeoutError"] }, not ${shown(retry)}.`,
    );
  checkKeys("retry", retry, KNOWN);
  const { backoff, maxDelay, jitter, on, neverOn, losses } = retry;
  if (backoff !== undefined) checkBackoff(backoff);
  if (maxDelay !== undefined) checkSeconds("retry.maxDelay", maxDelay, 0);
  if (jitter !== undefined && typeof jitter !== "boolean")
    throw new ConfigurationError(`retry.jitter must be true or false, not ${shown(jitter)}.`);
  if (on !== undefined) checkNames("retry.on", on);
  if (neverOn !== undefined) checkNames("retry.neverOn", neverOn);
  if (losses !== undefined) checkCount("retry.losses", losses, 0);
}

/** @throws ConfigurationError unless it is a whole number from `least`. */
export function checkCount(name: string, value: unknown, least: number): void {
  if (Number.isInteger(value) && Number(value) >= least && Number(value) <= MAX_COUNT) return;
  throw new ConfigurationError(`${name} must be a whole number, ${least} or more, not ${shown(value)}.`);
}

/** @throws ConfigurationError unless it is a number of seconds from `least`; with 0.001 more than none. */
export function checkSeconds(name: string, value: unknown, least: number): void {
  if (isNumber(value) && value >= least && value <= MAX_SECONDS) return;
  const from = least === 0 ? "0 or more" : `${least} or more`;
  throw new ConfigurationError(
    `${name} must be a number of seconds, ${from} and at most ${MAX_SECONDS}, not ${shown(value)}.`,
  );
}

function checkBackoff(backoff: unknown): void {
  if (typeof backoff === "number") {
    checkSeconds("retry.backoff", backoff, 0);
    return;
  }
  if (Array.isArray(backoff)) {
    if (backoff.length < 1 || backoff.length > MAX_LISTED)
      throw new ConfigurationError(
        `retry.backoff as a list must have 1 to ${MAX_LISTED} numbers of seconds, not ${backoff.length}.`,
      );
    for (const [index, seconds] of backoff.entries()) checkSeconds(`retry.backoff[${index}]`, seconds, 0);
    return;
  }
  if (!isObject(backoff))
    throw new ConfigurationError(
      `retry.backoff must be a number of seconds, a list of them, or { first, factor }, not ${shown(backoff)}.`,
    );
  checkKeys("retry.backoff", backoff, ["first", "factor"]);
  const { first, factor = 2 } = backoff;
  checkSeconds("retry.backoff.first", first, 0);
  if (!isNumber(factor) || factor < 1)
    throw new ConfigurationError(`retry.backoff.factor must be a number, 1 or more, not ${shown(factor)}.`);
}

function checkNames(name: string, value: unknown): void {
  const isName = (each: unknown) =>
    typeof each === "string" && each.trim() !== "" && each.isWellFormed() && !each.includes("\0");
  if (Array.isArray(value) && value.every(isName)) return;
  throw new ConfigurationError(
    `${name} must be an array of names of Python classes, like ["ValueError", "shop.errors.Busy"], not ${shown(value)}.`,
  );
}

function checkKeys(where: string, value: object, known: readonly string[]): void {
  for (const key of Object.keys(value)) {
    if (!known.includes(key))
      throw new ConfigurationError(
        `${where} has no option "${key}".${didYouMean(key, known) || ` Options: ${known.join(", ")}.`}`,
      );
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isNumber(value: unknown): value is number {
  return typeof value === "number" && Number.isFinite(value);
}
