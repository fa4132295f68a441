import { expect, test } from "vitest";
import { parseDuration } from "../../src/cli/duration.ts";
import { ConfigurationError } from "../../src/errors.ts";

test.each([
  ["90", 90],
  ["0.5s", 0.5],
  ["30m", 1_800],
  ["1.5h", 5_400],
  [" 7d ", 604_800],
])("parseDuration - %j is %d seconds", (text, seconds) => {
  expect(parseDuration(text, "--x")).toBe(seconds);
});

test.each(["", "h", "1w", "-1h", "1h30m", "1e3", "soon"])("parseDuration - %j is refused", (text) => {
  expect(() => parseDuration(text, "--x")).toThrow(ConfigurationError);
  expect(() => parseDuration(text, "--x")).toThrow("--x takes a number of seconds");
});
