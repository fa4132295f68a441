import { describe, expect, test } from "vitest";
import { ZonedDate } from "../../src/index.ts";

describe("ZonedDate", () => {
  test("is a Date of the same moment, with what a Date can't say beside it", () => {
    const date = ZonedDate.from("2026-07-01T12:00:00.123456+02:00[Europe/Berlin]");
    expect(date).toBeInstanceOf(Date);
    expect(date.toISOString()).toBe("2026-07-01T10:00:00.123Z");
    expect(date).toMatchObject({
      epochMicroseconds: 1_782_900_000_123_456n,
      offsetSeconds: 7200,
      zone: "Europe/Berlin",
    });
    expect(new Date(date).getTime()).toBe(date.getTime());
  });

  test("is cut to milliseconds downwards before 1970 too", () => {
    const date = new ZonedDate(-1n);
    expect(date.getTime()).toBe(-1);
    expect(date.toJSON()).toBe("1969-12-31T23:59:59.999999+00:00");
  });

  test("JSON has its offset, the text its zone", () => {
    const date = ZonedDate.from("2026-07-01T12:00:00.5+02:00[Europe/Berlin]");
    expect(JSON.stringify({ date })).toBe('{"date":"2026-07-01T12:00:00.500000+02:00"}');
    expect(new Date(date.toJSON()).getTime()).toBe(date.getTime());
    expect(`${date}`).toBe("2026-07-01T12:00:00.500000+02:00[Europe/Berlin]");
  });

  test.each([
    "2026-07-01T12:00:00.000000+02:00[Europe/Berlin]",
    "0001-01-01T00:00:00.000000+14:00",
    "0099-03-04T05:06:07.000001-12:00",
    "9999-12-31T23:59:59.999999-23:59",
    "1800-01-01T00:00:00.000000+00:53:28[Europe/Berlin]",
    "1969-12-31T23:59:59.999999-00:00:01",
    "2024-02-29T00:00:00.000000+00:00",
  ])("%s - is read and written alike", (text) => {
    expect(String(ZonedDate.from(text))).toBe(text);
  });

  test("Z is an offset of nothing, UTC no zone of its own", () => {
    expect(String(ZonedDate.from("2026-07-01T12:00:00Z"))).toBe("2026-07-01T12:00:00.000000+00:00");
    expect(ZonedDate.from("2026-07-01T12:00:00+00:00[UTC]").zone).toBeNull();
  });

  test.each([
    "",
    "2026-07-01",
    "2026-07-01T12:00:00",
    "2026-02-30T12:00:00Z",
    "2026-07-01T24:00:00Z",
    "2026-07-01T12:60:00Z",
    "2026-07-01T12:00:00.1234567Z",
    "2026-07-01T12:00:00+24:00",
    "2026-07-01T12:00:00Z[Not a zone]",
    "0000-12-31T23:59:59Z",
    "+010000-01-01T00:00:00Z",
  ])("%s - is refused", (text) => {
    expect(() => ZonedDate.from(text)).toThrow(RangeError);
  });

  test.each<[bigint, number, string | null]>([
    [0n, 0.5, null],
    [0n, 86_400, null],
    [0n, Number.NaN, null],
    [0n, 0, ""],
    [0n, 0, "a zone"],
    [253_402_300_800_000_000n, 0, null],
    [253_402_300_800_000_000n - 1n, 1, null],
    [-62_135_596_800_000_001n, 0, null],
    [2n ** 80n, 0, null],
  ])("%s, %s, %s - can't be made", (microseconds, offset, zone) => {
    expect(() => new ZonedDate(microseconds, offset, zone)).toThrow(RangeError);
  });
});
