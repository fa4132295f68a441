import fc from "fast-check";

/** Any value that a payload carries there and back unchanged. Negative zero isn't one: both encodings write 0. */
export function plainValue(): fc.Arbitrary<unknown> {
  const text = fc.string({ unit: "grapheme" });
  const key = text.filter((each) => each !== "__proto__");
  const number = fc.double().map((each) => (Object.is(each, -0) ? 0 : each));
  const wide = fc
    .bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n })
    .filter((each) => !Number.isSafeInteger(Number(each)));
  return fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 4, withCrossShrink: true },
      fc.oneof(
        text,
        number,
        fc.maxSafeInteger(),
        wide,
        fc.boolean(),
        fc.constant(null),
        fc.constant("a\0b"),
        bytes(),
        date(),
      ),
      fc.array(tie("value"), { maxLength: 5 }),
      fc.dictionary(key, tie("value"), { maxKeys: 5, noNullPrototype: true }),
    ),
  })).value;
}

function bytes(): fc.Arbitrary<Uint8Array> {
  return fc.uint8Array({ maxLength: 40 });
}

function date(): fc.Arbitrary<Date> {
  return fc.date({ noInvalidDate: true });
}
