import { checkCount, checkRetryOptions, checkSeconds } from "./check-retry.ts";
import { ConfigurationError, InvalidInputError, OptionNotSupportedError, UnknownTaskError } from "./errors.ts";
import { toPlain } from "./plain-value.ts";
import type { RetryOptions } from "./retry-options.ts";
import { shown } from "./shown.ts";
import type { CallerClient } from "./store/queryable.ts";
import { didYouMean } from "./suggest.ts";

export interface EnqueueOptions {
  /** Default: the task's own queue. */
  readonly queue?: string;
  /** -32768 to 32767, higher first; default 0. */
  readonly priority?: number;
  /** Not before this moment. */
  readonly runAt?: Date;
  /** Not before this many seconds from now, by the database's clock. */
  readonly delay?: number;
  /** How often it may be tried, 1 or more; default: the task's own, else 1. What infrastructure takes doesn't count. */
  readonly maxAttempts?: number;
  /** When a failed attempt is followed by another; each key over the task's own. */
  readonly retry?: RetryOptions;
  /** Seconds that an attempt may run, from its real start: then it is interrupted, and killed after a grace (5 s, the worker's `cancelGrace`). Default: the task's own, else for ever. */
  readonly timeout?: number;
  /** Seconds from when it is due to its first start, after which it is EXPIRED. Default: the task's own, else it waits for ever. */
  readonly queueTimeout?: number;
  /** UUID made by you: repeating the enqueue with it is harmless. Default: a new UUID v7. */
  readonly id?: string;
  /** Labels to find it by. */
  readonly tags?: readonly string[];
  /** Anything of yours that JSON can say. */
  readonly metadata?: Readonly<Record<string, unknown>>;
  /** Write it in this transaction of yours (postgres.js or drizzle): it runs if, and only if, that commits. */
  readonly tx?: CallerClient;
}

const KNOWN = [
  "queue",
  "priority",
  "runAt",
  "delay",
  "maxAttempts",
  "retry",
  "timeout",
  "queueTimeout",
  "id",
  "tags",
  "metadata",
  "tx",
];
/** Of Python's `@task`; here they are keys of `retry`. */
const OF_RETRY: Readonly<Record<string, string>> = {
  backoff: "backoff",
  maxDelay: "maxDelay",
  jitter: "jitter",
  retryOn: "on",
  neverRetryOn: "neverOn",
  losses: "losses",
};
/** Less is no time: Postgres counts microseconds, and nothing begins within one. */
const LEAST_SECONDS = 0.001;
/** Named in the design and not built yet. */
const NOT_YET = [
  "uniqueKey",
  "concurrencyKey",
  "parent",
  "traceParent",
  "numCpus",
  "numGpus",
  "memory",
  "resources",
  "runtimeEnv",
  "notify",
  "allowUnknown",
  "validate",
];
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/**
 * Refuses what can't be meant: an option that isn't built yet is refused, never ignored.
 *
 * @throws OptionNotSupportedError, ConfigurationError
 */
export function checkEnqueueOptions(options: EnqueueOptions): void {
  for (const name of Object.keys(options)) {
    if (NOT_YET.includes(name))
      throw new OptionNotSupportedError(
        `The option "${name}" of enqueue isn't built yet in this version of rayferry. Leave it out.`,
      );
    const ofRetry = OF_RETRY[name];
    if (ofRetry !== undefined)
      throw new ConfigurationError(`enqueue has no option "${name}". Write it as { retry: { ${ofRetry}: ... } }.`);
    if (!KNOWN.includes(name))
      throw new ConfigurationError(
        `enqueue has no option "${name}".${didYouMean(name, KNOWN) || ` Options: ${KNOWN.join(", ")}.`}`,
      );
  }
  const { queue, priority, runAt, delay, id, tags, metadata } = options;
  if (queue !== undefined) checkQueueName(queue);
  if (priority !== undefined && !(Number.isInteger(priority) && priority >= -32768 && priority <= 32767)) {
    throw new ConfigurationError(`priority must be a whole number from -32768 to 32767, not ${shown(priority)}.`);
  }
  if (runAt !== undefined && !(runAt instanceof Date && !Number.isNaN(runAt.getTime()))) {
    throw new ConfigurationError(`runAt must be a valid Date, not ${shown(runAt)}.`);
  }
  if (delay !== undefined && !(Number.isFinite(delay) && delay >= 0)) {
    throw new ConfigurationError(`delay must be a number of seconds, 0 or more, not ${shown(delay)}.`);
  }
  if (runAt !== undefined && delay !== undefined) throw new ConfigurationError("Give runAt or delay, not both.");
  const { maxAttempts, retry, timeout, queueTimeout } = options;
  if (maxAttempts !== undefined) checkCount("maxAttempts", maxAttempts, 1);
  if (retry !== undefined) checkRetryOptions(retry);
  if (timeout !== undefined) checkSeconds("timeout", timeout, LEAST_SECONDS);
  if (queueTimeout !== undefined) checkSeconds("queueTimeout", queueTimeout, LEAST_SECONDS);
  if (id !== undefined) checkId(id);
  if (tags !== undefined && !(Array.isArray(tags) && tags.every((tag) => typeof tag === "string" && isStorable(tag)))) {
    throw new ConfigurationError(`tags must be an array of strings without NUL, not ${shown(tags)}.`);
  }
  if (metadata !== undefined) checkMetadata(metadata);
}

const OF_ITEM = ["task", "input", "options"];

/**
 * One of `enqueueMany`'s. A transaction is of all of them: what an item said of its own would be written outside it.
 *
 * @throws OptionNotSupportedError, ConfigurationError
 */
export function checkItem(item: unknown, index: number): void {
  const name = `items[${index}]`;
  if (typeof item !== "object" || item === null)
    throw new ConfigurationError(`${name} must be { task, input, options }, not ${shown(item)}.`);
  for (const key of Object.keys(item)) {
    if (!OF_ITEM.includes(key)) {
      const hint = KNOWN.includes(key) ? ` Write it as { options: { ${key}: ... } }.` : didYouMean(key, OF_ITEM);
      throw new ConfigurationError(`${name} has no key "${key}".${hint || ` Keys: ${OF_ITEM.join(", ")}.`}`);
    }
  }
  const options: EnqueueOptions = Reflect.get(item, "options") ?? {};
  if (options.tx !== undefined)
    throw new ConfigurationError(`${name}.options has a tx. Give it once, for all: enqueueMany(items, { tx }).`);
  try {
    checkEnqueueOptions(options);
  } catch (error) {
    throw toldOf(`${name}.options`, error);
  }
}

/** The same error, saying which of many it is about; one that names what it is about already is left as it is. */
export function toldOf(name: string, error: unknown): unknown {
  const Kind = [OptionNotSupportedError, ConfigurationError, UnknownTaskError, InvalidInputError].find(
    (each) => error instanceof each,
  );
  return Kind === undefined ? error : new Kind(`${name}: ${(error as Error).message}`, { cause: error });
}

/** @throws ConfigurationError */
export function checkQueueName(queue: unknown): void {
  if (typeof queue === "string" && /^[A-Za-z0-9_.:-]{1,100}$/.test(queue)) return;
  throw new ConfigurationError(
    `A queue's name must be 1 to 100 of the characters A-Z a-z 0-9 _ . : -, not ${shown(queue)}.`,
  );
}

/** @throws ConfigurationError */
export function checkId(id: unknown): void {
  if (typeof id === "string" && UUID.test(id)) return;
  throw new ConfigurationError(
    `An execution's id is a UUID like 0198c5a2-7f3e-7000-8000-000000000000, not ${shown(id)}.`,
  );
}

function checkMetadata(metadata: unknown): void {
  const isObject = typeof metadata === "object" && metadata !== null && !Array.isArray(metadata);
  if (!isObject || !toPlain(metadata, "metadata").isJson) {
    throw new ConfigurationError(
      "metadata must be an object that JSON says exactly: no dates, bytes, integers beyond 2^53, NaN or NUL.",
    );
  }
}

function isStorable(text: string): boolean {
  return text.isWellFormed() && !text.includes("\0");
}
