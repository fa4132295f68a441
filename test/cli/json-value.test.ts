import { expect, test } from "vitest";
import { jsonValue } from "../../src/cli/json-value.ts";
import { ZonedDate } from "../../src/index.ts";

test.each<[string, unknown, string]>([
  ["a bigint", 2n ** 64n, '"18446744073709551616"'],
  ["NaN", Number.NaN, '"NaN"'],
  ["-Infinity", Number.NEGATIVE_INFINITY, '"-Infinity"'],
  ["bytes", new Uint8Array([0, 255]), '{"base64":"AP8="}'],
  ["a typed array", new Float64Array([0.5, Number.NaN]), '[0.5,"NaN"]'],
  ["a typed array of bigint", new BigInt64Array([-1n]), '["-1"]'],
  [
    "a Map",
    new Map<unknown, unknown>([
      [1, "a"],
      ["1", 2n],
    ]),
    '{"entries":[[1,"a"],["1","2"]]}',
  ],
  ["a Date", new Date(0), '"1970-01-01T00:00:00.000Z"'],
  ["a ZonedDate", ZonedDate.from("2026-07-01T12:00:00+02:00"), '"2026-07-01T12:00:00.000000+02:00"'],
  ["what JSON has words for", { a: [1, null, "x"] }, '{"a":[1,null,"x"]}'],
])("--json - %s", (_what, value, text) => {
  expect(JSON.stringify(value, jsonValue)).toBe(text);
});
