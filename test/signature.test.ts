import { describe, expect, test } from "vitest";
import { describe as describeTask, findMisfit } from "../src/signature.ts";
import type { TaskParameter } from "../src/store/schema.ts";

function parameter(kind: TaskParameter["kind"], name: string, fallback: string | null = null): TaskParameter {
  const required = fallback === null && !kind.startsWith("var_");
  return { name, kind, required, annotation: null, default: fallback };
}

/** `def add(a, b=2, *, c, d=4)` */
const ADD = {
  name: "m.add",
  parameters: [
    parameter("positional_or_keyword", "a"),
    parameter("positional_or_keyword", "b", "2"),
    parameter("keyword_only", "c"),
    parameter("keyword_only", "d", "4"),
  ],
};
/** `def pair(a, b=2)` */
const PAIR = { name: "m.pair", parameters: ADD.parameters.slice(0, 2) };
/** `def log(x, /, *args, **kwargs)` */
const LOG = {
  name: "m.log",
  parameters: [
    parameter("positional_only", "x"),
    parameter("var_positional", "args"),
    parameter("var_keyword", "kwargs"),
  ],
};
const NOTHING = { name: "m.ping", parameters: [] };

describe("findMisfit - fits", () => {
  test.each([
    [NOTHING, {}],
    [NOTHING, []],
    [PAIR, { a: 1 }],
    [PAIR, { a: 1, b: 2 }],
    [PAIR, [1]],
    [PAIR, [1, 2]],
    [ADD, { a: 1, c: 3 }],
    [ADD, { d: 4, c: 3, b: 2, a: 1 }],
    [LOG, [1]],
    [LOG, [1, 2, 3, 4]],
  ])("%o takes %j", (task, input) => {
    expect(findMisfit(task, input)).toBeNull();
  });
});

describe("findMisfit - doesn't fit", () => {
  test.each([
    [NOTHING, { a: 1 }, 'm.ping() got an unexpected argument "a".'],
    [NOTHING, [1], "m.ping() takes 0 positional argument(s) but 1 were given."],
    [PAIR, [1, 2, 3], "m.pair(a, b = 2) takes 2 positional argument(s) but 3 were given."],
    [PAIR, [], 'm.pair(a, b = 2) is missing 1 required argument(s): "a".'],
    [PAIR, { b: 2 }, 'm.pair(a, b = 2) is missing 1 required argument(s): "a".'],
    [ADD, {}, 'm.add(a, b = 2, c, d = 4) is missing 2 required argument(s): "a", "c".'],
    [ADD, [1, 2], 'm.add(a, b = 2, c, d = 4) is missing 1 required argument(s): "c".'],
    [LOG, { y: 1 }, 'm.log(x, *args, **kwargs) takes "x" by position only: pass an array.'],
    [LOG, [], 'm.log(x, *args, **kwargs) is missing 1 required argument(s): "x".'],
    [PAIR, "1", "m.pair(a, b = 2) takes an object of keyword arguments or an array of positional ones, not a string."],
    [PAIR, null, "m.pair(a, b = 2) takes an object of keyword arguments or an array of positional ones, not null."],
    [
      NOTHING,
      new Map([[1, 2]]),
      "m.ping() takes an object of keyword arguments or an array of positional ones, not a Map.",
    ],
    [
      NOTHING,
      new Uint8Array(1),
      "m.ping() takes an object of keyword arguments or an array of positional ones, not a Uint8Array.",
    ],
  ])("%o refuses %j", (task, input, sentence) => {
    expect(findMisfit(task, input)).toBe(sentence);
  });

  test("a misspelt name comes with a suggestion", () => {
    const task = { name: "m.fit", parameters: [parameter("positional_or_keyword", "gamma", "0.1")] };
    expect(findMisfit(task, { gama: 1 })).toBe(
      'm.fit(gamma = 0.1) got an unexpected argument "gama". Did you mean "gamma"?',
    );
  });

  test("an undefined member is as good as left out: it isn't sent", () => {
    expect(findMisfit(PAIR, { a: undefined })).toContain('missing 1 required argument(s): "a"');
    expect(findMisfit(PAIR, { a: 1, other: undefined })).toBeNull();
  });
});

test("describe - Python's own way to write a signature", () => {
  const annotated = { ...parameter("positional_or_keyword", "c"), annotation: "float" };
  const both = { ...parameter("keyword_only", "gamma", "0.1"), annotation: "float" };
  expect(describeTask({ name: "digits.cross_validate", parameters: [annotated, both] })).toBe(
    "digits.cross_validate(c: float, gamma: float = 0.1)",
  );
});
