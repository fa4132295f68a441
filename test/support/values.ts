import fc from "fast-check";
import { ZonedDate } from "../../src/index.ts";

/** Any value that a payload carries there and back unchanged. */
export function plainValue(): fc.Arbitrary<unknown> {
  const text = fc.string({ unit: "grapheme" });
  const leaf = fc.oneof(
    text,
    fc.double(),
    fc.maxSafeInteger(),
    wide(),
    fc.boolean(),
    fc.constantFrom(null, "a\0b", -0, 2 ** 60, "\ufeffbom"),
    fc.uint8Array({ maxLength: 40 }),
    date(),
    zonedDate(),
    typedArray(),
  );
  return fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 4, withCrossShrink: true },
      leaf,
      fc.array(tie("value"), { maxLength: 5 }),
      fc.dictionary(fc.oneof(text, fc.constant("__proto__")), tie("value"), { maxKeys: 5, noNullPrototype: true }),
      map(text, tie("value")),
    ),
  })).value;
}

/** Beyond 2^53 and, every other one, beyond 64 bits. */
function wide(): fc.Arbitrary<bigint> {
  const isWide = (value: bigint) => !Number.isSafeInteger(Number(value));
  return fc
    .oneof(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n }), fc.bigInt({ min: -(2n ** 300n), max: 2n ** 300n }))
    .filter(isWide);
}

/** The years that Python has. */
function date(): fc.Arbitrary<Date> {
  return fc.date({
    noInvalidDate: true,
    min: new Date("0001-01-01T00:00:00Z"),
    max: new Date("9999-12-31T23:59:59.999Z"),
  });
}

/** With zones whose offset is the same all year, so that Python's time zone data agrees. */
function zonedDate(): fc.Arbitrary<ZonedDate> {
  const microseconds = fc.bigInt({ min: -(10n ** 15n), max: 10n ** 15n });
  const offset = fc.integer({ min: -86_399, max: 86_399 }).filter((each) => each !== 0);
  return fc.oneof(
    fc.tuple(microseconds, offset).map(([at, east]) => new ZonedDate(at, east)),
    microseconds.filter((each) => each % 1000n !== 0n).map((at) => new ZonedDate(at)),
    microseconds.map((at) => new ZonedDate(at, -18_000, "Etc/GMT+5")),
  );
}

/** A Uint8Array is bytes, and a Uint8ClampedArray comes back from Python as a Uint8Array. */
function typedArray(): fc.Arbitrary<ArrayBufferView> {
  return fc.oneof(
    fc.int8Array(),
    fc.int16Array(),
    fc.uint16Array(),
    fc.int32Array(),
    fc.uint32Array(),
    fc.float32Array(),
    fc.float64Array(),
    fc.bigInt64Array(),
    fc.bigUint64Array(),
  );
}

/** With one key at least that is no string; without it a Map is an object. Python takes 1 and true for one key. */
function map(text: fc.Arbitrary<string>, value: fc.Arbitrary<unknown>): fc.Arbitrary<Map<unknown, unknown>> {
  const number = fc.integer({ min: 2 });
  const key = fc.oneof(text, number, fc.constantFrom(null, true, false, 2.5, 2n ** 63n));
  const entries = fc.array(fc.tuple(key, value), { maxLength: 4 });
  return fc.tuple(number, value, entries).map(([first, item, more]) => new Map([[first, item], ...more]));
}
