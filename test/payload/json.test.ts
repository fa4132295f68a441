import fc from "fast-check";
import { expect, test } from "vitest";
import { parseJson } from "../../src/payload/json.ts";

test.each<[string, unknown]>([
  ["9007199254740991", 9007199254740991],
  ["9007199254740993", 9007199254740993n],
  ["-9007199254740993", -9007199254740993n],
  ['{"a": [1, 12345678901234567890], "b": 1}', { a: [1, 12345678901234567890n], b: 1 }],
  [`1${"0".repeat(400)}`, 10n ** 400n],
  ["0.12345678901234567890", 0.12345678901234568],
  ["12345678901234567890.5", 12345678901234567000],
  ["1e22", 1e22],
  ['"12345678901234567890"', "12345678901234567890"],
  ['["at 12345678901234567890", 1]', ["at 12345678901234567890", 1]],
])("parseJson - %s", (text, value) => {
  expect(parseJson(text)).toEqual(value);
});

test("parseJson - an integer beyond 2^53 is found wherever it stands", () => {
  const wide = fc.bigInt({ min: 2n ** 53n, max: 10n ** 40n });
  fc.assert(
    fc.property(fc.string({ maxLength: 40 }), wide, fc.boolean(), fc.string(), (before, integer, negative, after) => {
      const value = negative ? -integer : integer;
      const text = `[${JSON.stringify(before)}, ${value}, ${JSON.stringify(after)}]`;
      expect(parseJson(text)).toEqual([before, value, after]);
    }),
    { numRuns: 500 },
  );
});

test("parseJson - what isn't JSON is a SyntaxError", () => {
  expect(() => parseJson("[1,")).toThrow(SyntaxError);
});
