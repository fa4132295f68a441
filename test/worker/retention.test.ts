import { expect, test } from "vitest";
import { ConfigurationError } from "../../src/errors.ts";
import { checkRetention } from "../../src/worker/retention.ts";

test("checkRetention - 7 days, and 30 for what failed or is lost, unless it is said otherwise", () => {
  const [week, month] = [7 * 86_400, 30 * 86_400];
  expect(checkRetention({})).toEqual({ SUCCEEDED: week, CANCELLED: week, EXPIRED: week, FAILED: month, LOST: month });
  expect(checkRetention({ keep: 0.5, keepFailed: 1 })).toMatchObject({ SUCCEEDED: 43_200, LOST: 86_400 });
  expect(checkRetention({ keep: 0 })).toMatchObject({ SUCCEEDED: 0, FAILED: month });
});

test.each([-1, Number.NaN, 36_501])("checkRetention - refuses %s days", (days) => {
  expect(() => checkRetention({ keep: days })).toThrow(ConfigurationError);
  expect(() => checkRetention({ keep: days })).toThrow(`keep must be a number of days from 0 to 36500, not ${days}.`);
  expect(() => checkRetention({ keepFailed: days })).toThrow("keepFailed must be a number of days");
});
