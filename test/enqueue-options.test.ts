import { describe, expect, test } from "vitest";
import { checkEnqueueOptions, checkId, checkQueueName, type EnqueueOptions } from "../src/enqueue-options.ts";
import { ConfigurationError, OptionNotSupportedError } from "../src/errors.ts";

const ID = "0198c5a2-7f3e-7000-8000-000000000000";

test.each<[EnqueueOptions]>([
  [{}],
  [{ queue: "gpu-1.eu:a_b" }],
  [{ priority: -32768 }],
  [{ priority: 32767 }],
  [{ delay: 0 }],
  [{ delay: 0.5 }],
  [{ runAt: new Date(0) }],
  [{ id: ID }],
  [{ id: ID.toUpperCase() }],
  [{ tags: [] }],
  [{ tags: ["a", ""] }],
  [{ metadata: { a: [1] } }],
  [{ maxAttempts: 1 }],
  [{ maxAttempts: 2 ** 31 - 1 }],
  [{ timeout: 0.001 }],
  [{ queueTimeout: 1_000_000_000 }],
  [{ retry: {} }],
  [{ retry: { backoff: 0, maxDelay: 0, jitter: false, on: [], neverOn: ["a.B"], losses: 0 } }],
  [{ retry: { backoff: [1, 0, 2.5] } }],
  [{ retry: { backoff: { first: 3 } } }],
  [{ retry: { backoff: { first: 0, factor: 1 } } }],
])("checkEnqueueOptions - takes %o", (options) => {
  expect(() => checkEnqueueOptions(options)).not.toThrow();
});

describe("checkEnqueueOptions - refuses", () => {
  test.each<[object, RegExp]>([
    [{ priority: 1.5 }, /^priority must be a whole number from -32768 to 32767, not 1\.5\.$/],
    [{ priority: 32768 }, /not 32768\.$/],
    [{ priority: "1" }, /not "1"\.$/],
    [{ runAt: new Date(Number.NaN) }, /^runAt must be a valid Date, not Invalid Date\.$/],
    [{ runAt: "2026-01-01" }, /^runAt must be a valid Date, not "2026-01-01"\.$/],
    [{ delay: -1 }, /^delay must be a number of seconds, 0 or more, not -1\.$/],
    [{ delay: Number.NaN }, /^delay must be/],
    [{ delay: Number.POSITIVE_INFINITY }, /^delay must be/],
    [{ delay: "5" }, /not "5"\.$/],
    [{ delay: 1, runAt: new Date(0) }, /^Give runAt or delay, not both\.$/],
    [{ id: "7" }, /^An execution's id is a UUID like .*, not "7"\.$/],
    [{ tags: "a" }, /^tags must be an array of strings without NUL, not "a"\.$/],
    [{ tags: [1] }, /^tags must be an array of strings without NUL, not \[1\]\.$/],
    [{ metadata: [] }, /^metadata must be an object that JSON says exactly/],
    [{ metadata: { at: new Date(0) } }, /^metadata must be an object that JSON says exactly/],
    [{ metadata: { n: 2n ** 53n } }, /^metadata must be an object that JSON says exactly/],
    [{ maxAttempts: 0 }, /^maxAttempts must be a whole number, 1 or more, not 0\.$/],
    [{ maxAttempts: 1.5 }, /not 1\.5\.$/],
    [{ maxAttempts: 2 ** 31 }, /^maxAttempts must be/],
    [{ maxAttempts: 3n }, /not 3n\.$/],
    [{ timeout: 0 }, /^timeout must be a number of seconds, 0\.001 or more and at most 1000000000, not 0\.$/],
    [{ timeout: "5" }, /not "5"\.$/],
    [{ queueTimeout: Number.POSITIVE_INFINITY }, /^queueTimeout must be a number of seconds/],
    [{ retry: 3 }, /^retry must be an object like .*, not 3\.$/],
    [{ retry: null }, /^retry must be an object/],
    [{ retry: { backof: 1 } }, /^retry has no option "backof"\. Did you mean "backoff"\?$/],
    [{ retry: { maxAttempts: 1 } }, /^retry has no option "maxAttempts"\. Options: backoff, .*\.$/],
    [
      { retry: { backoff: -1 } },
      /^retry\.backoff must be a number of seconds, 0 or more and at most 1000000000, not -1\.$/,
    ],
    [{ retry: { backoff: [] } }, /^retry\.backoff as a list must have 1 to 1000 numbers of seconds, not 0\.$/],
    [{ retry: { backoff: [1, "2"] } }, /^retry\.backoff\[1\] must be a number of seconds, .* not "2"\.$/],
    [
      { retry: { backoff: "1" } },
      /^retry\.backoff must be a number of seconds, a list of them, or \{ first, factor \}, not "1"\.$/,
    ],
    [{ retry: { backoff: { factor: 2 } } }, /^retry\.backoff\.first must be a number of seconds, .* not undefined\.$/],
    [
      { retry: { backoff: { first: 1, factor: 0.5 } } },
      /^retry\.backoff\.factor must be a number, 1 or more, not 0\.5\.$/,
    ],
    [
      { retry: { backoff: { first: 1, faktor: 2 } } },
      /^retry\.backoff has no option "faktor"\. Did you mean "factor"\?$/,
    ],
    [{ retry: { jitter: 1 } }, /^retry\.jitter must be true or false, not 1\.$/],
    [
      { retry: { on: "ValueError" } },
      /^retry\.on must be an array of names of Python classes, .*, not "ValueError"\.$/,
    ],
    [{ retry: { neverOn: [""] } }, /^retry\.neverOn must be an array/],
    [{ retry: { losses: -1 } }, /^retry\.losses must be a whole number, 0 or more, not -1\.$/],
    [{ backoff: 5 }, /^enqueue has no option "backoff"\. Write it as \{ retry: \{ backoff: \.\.\. \} \}\.$/],
    [{ retryOn: ["A"] }, /Write it as \{ retry: \{ on: \.\.\. \} \}\.$/],
    [{ maxAttempt: 5 }, /^enqueue has no option "maxAttempt"\. Did you mean "maxAttempts"\?$/],
    [{ queue: "" }, /^A queue's name must be 1 to 100 of the characters/],
    [{ priorty: 1 }, /^enqueue has no option "priorty"\. Did you mean "priority"\?$/],
    [{ banana: 1 }, /^enqueue has no option "banana"\. Options: queue, priority, .*\.$/],
  ])("%o", (options, sentence) => {
    expect(() => checkEnqueueOptions(options)).toThrow(ConfigurationError);
    expect(() => checkEnqueueOptions(options)).toThrow(sentence);
  });

  test.each(["uniqueKey", "runtimeEnv", "numGpus"])("%s, which isn't built yet: never ignored", (name) => {
    expect(() => checkEnqueueOptions({ [name]: 1 })).toThrow(OptionNotSupportedError);
    expect(() => checkEnqueueOptions({ [name]: 1 })).toThrow(`The option "${name}" of enqueue isn't built yet`);
  });
});

test.each(["default", "a", "A-Z_0.9:x", "q".repeat(100)])("checkQueueName - takes %j", (name) => {
  expect(() => checkQueueName(name)).not.toThrow();
});

test.each(["", "q".repeat(101), "a b", "a,b", "ä", "a\n", 'x"', undefined, 1, null])(
  "checkQueueName - refuses %j",
  (name) => {
    expect(() => checkQueueName(name)).toThrow(ConfigurationError);
  },
);

test.each(["", `${ID} `, `${ID}\n`, ID.slice(1), ID.replaceAll("-", ""), `{${ID}}`, undefined, 1])(
  "checkId - refuses %j",
  (id) => {
    expect(() => checkId(id)).toThrow(ConfigurationError);
  },
);
