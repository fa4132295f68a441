import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { PayloadNotReadableError, PayloadNotSerializableError, PayloadTooLargeError } from "../src/errors.ts";
import { ZonedDate } from "../src/index.ts";
import { decodePayload, encodePayload, JSON_TYPE, MAX_INPUT_BYTES, MESSAGEPACK_TYPE } from "../src/payload.ts";
import { exact } from "./support/exact.ts";
import { plainValue } from "./support/values.ts";

const roundTrip = (value: unknown) => decodePayload(encodePayload(value));

describe("encodePayload - JSON where JSON says it exactly", () => {
  test.each([
    [null],
    [true],
    [0],
    [-1.5],
    [Number.MAX_SAFE_INTEGER],
    [Number.MIN_SAFE_INTEGER],
    [5e-324],
    [""],
    ["☃ 😀 \n\t"],
    [[]],
    [{}],
    [{ a: [1, { "b c": null }], "": 0 }],
    [JSON.parse('{"__proto__": {"a": 1}}')],
  ])("%j", (value) => {
    const encoded = encodePayload(value);
    expect(encoded).toEqual({ contentType: JSON_TYPE, json: JSON.stringify(value), bytes: null });
    expect(decodePayload(encoded)).toEqual(value);
  });
});

describe("encodePayload - MessagePack where it doesn't", () => {
  test.each([
    ["NaN", Number.NaN],
    ["Infinity", Number.POSITIVE_INFINITY],
    ["-Infinity", Number.NEGATIVE_INFINITY],
    ["an integer beyond 2^53", 2 ** 60],
    ["a bigint", 2n ** 64n - 1n],
    ["the lowest bigint of 64 bits", -(2n ** 63n)],
    ["a bigint beyond", 2n ** 64n],
    ["the largest bigint", 2n ** 32_767n - 1n],
    ["the lowest bigint", -(2n ** 32_767n)],
    ["-0", -0],
    ["-0 deep inside", { a: [-0] }],
    ["bytes", new Uint8Array([0, 255])],
    ["no bytes", new Uint8Array()],
    ["a Date", new Date("2026-07-01T12:34:56.789Z")],
    ["a Date before 1970", new Date(-1)],
    ["NUL in a string", "a\0b"],
    ["NUL in a key", { "a\0b": 1 }],
    ["NaN deep inside", { a: [{ b: Number.NaN }] }],
    ["a byte order mark", ["\ufeffa", Number.NaN]],
    ["a ZonedDate", ZonedDate.from("2026-07-01T12:00:00.123456+02:00[Europe/Berlin]")],
    ["a Uint8ClampedArray", new Uint8ClampedArray([1, 255])],
    ["a Float64Array of a part", new Float64Array([1, 2, 3]).subarray(1)],
    [
      "a Map with numbers as keys",
      new Map<unknown, unknown>([
        [2, "a"],
        ["2", "b"],
        [1, new Map([[null, true]])],
      ]),
    ],
  ])("%s", (_what, value) => {
    const encoded = encodePayload(value);
    expect(encoded.contentType).toBe(MESSAGEPACK_TYPE);
    expect(encoded.json).toBeNull();
    expect(exact(decodePayload(encoded))).toEqual(exact(value));
  });

  test("an integer stays an integer beside a value that needs MessagePack", () => {
    // 0xcf: uint64. 0xcb would be a float, which Python hands to the task as 5000000000.0.
    const { bytes } = encodePayload([5_000_000_000, Number.NaN]);
    expect(Buffer.from(bytes ?? []).toString("hex")).toBe("92cf000000012a05f200cb7ff8000000000000");
    expect(roundTrip({ n: [-5_000_000_000, 1.5], x: Number.NaN })).toEqual({ n: [-5_000_000_000, 1.5], x: Number.NaN });
  });

  test("a bigint within 2^53 is a number", () => {
    expect(encodePayload({ n: 5n }).json).toBe('{"n":5}');
    expect(roundTrip(5n)).toBe(5);
  });

  test("a ZonedDate that says no more than a Date comes back as one", () => {
    for (const text of ["2026-07-01T12:00:00.123Z", "2026-07-01T12:00:00.123+00:00[UTC]"])
      expect(exact(roundTrip(ZonedDate.from(text)))).toBe("Date 2026-07-01T12:00:00.123Z");
  });

  test("a Buffer, an ArrayBuffer and a DataView are bytes, a view of a part is that part", () => {
    const whole = new Uint8Array([1, 2, 3, 4]);
    expect(roundTrip(Buffer.from("ab"))).toEqual(new Uint8Array([97, 98]));
    expect(roundTrip(whole.buffer)).toEqual(whole);
    expect(roundTrip(new DataView(whole.buffer, 1, 2))).toEqual(new Uint8Array([2, 3]));
    expect(roundTrip(whole.subarray(1, 3))).toEqual(new Uint8Array([2, 3]));
  });
});

describe("encodePayload - what JavaScript has more than one word for", () => {
  class Point {
    readonly x = 1;
    readonly #hidden = 2;
    toJSON() {
      return { x: this.x, hidden: this.#hidden };
    }
  }

  test.each<[string, unknown, unknown]>([
    ["undefined is null", undefined, null],
    ["undefined in an array is null", [1, undefined], [1, null]],
    ["an undefined member is left out", { a: undefined, b: 1 }, { b: 1 }],
    ["a Map with string keys is an object", new Map([["a", new Map([["b", 1]])]]), { a: { b: 1 } }],
    [
      "an undefined member of a Map is left out",
      new Map([
        [1, undefined],
        [2, 3],
      ]),
      new Map([[2, 3]]),
    ],
    ["a Map without keys is an object", new Map(), {}],
    ["a Set is an array", new Set([1, "x"]), [1, "x"]],
    ["toJSON has its say", { p: new Point() }, { p: { x: 1, hidden: 2 } }],
    ["an object without prototype is an object", Object.assign(Object.create(null), { a: 1 }), { a: 1 }],
  ])("%s", (_what, value, expected) => {
    expect(roundTrip(value)).toEqual(expected);
  });

  test("the same object twice isn't a cycle", () => {
    const shared = { a: 1 };
    expect(roundTrip([shared, shared, { shared }])).toEqual([shared, shared, { shared }]);
  });
});

describe("encodePayload - refuses with the path", () => {
  const cyclic: Record<string, unknown> = { a: 1 };
  cyclic["list"] = [cyclic];
  const cyclicMap = new Map<string, unknown>();
  cyclicMap.set("self", cyclicMap);

  class Unheard extends Int8Array {
    override get [Symbol.toStringTag](): never {
      return "Int128Array" as never;
    }
  }
  const changed = new ZonedDate(1n);
  changed.setTime(5);
  const transferred = new Uint8Array(4);
  structuredClone(transferred.buffer, { transfer: [transferred.buffer] });

  test.each<[unknown, string]>([
    [() => 1, "input is a function, which can't be sent: pass data only."],
    [{ rows: [0, { when: Symbol("x") }] }, "input.rows[1].when is a symbol"],
    [{ "a b": { $c: [Symbol("x")] } }, 'input["a b"].$c[0] is a symbol'],
    [{ n: 2n ** 32_767n }, "input.n is a bigint of more than 4096 bytes, which can't be sent: pass it as a string."],
    [[-(2n ** 32_767n) - 1n], "input[0] is a bigint of more than 4096 bytes"],
    [{ when: new Date(Number.NaN) }, "input.when is an invalid Date"],
    [{ when: new Date("+010000-01-01T00:00:00Z") }, "input.when is a Date outside the years 1 to 9999"],
    [{ when: new Date("0000-12-31T23:59:59.999Z") }, "input.when is a Date outside the years 1 to 9999"],
    [{ when: changed }, "input.when is a ZonedDate that was changed after it was made"],
    [{ x: new Unheard(1) }, "input.x is a Unheard, which can't be sent: pass a plain array."],
    [{ x: transferred }, "input.x is a view of a buffer that was transferred"],
    [new Map([[{ a: 1 }, 2]]), "input is a Map with a Object as key"],
    [{ m: new Map([[Symbol("x"), 2]]) }, "input.m is a Map with a symbol as key"],
    [new Map([[Number.NaN, 2]]), "input is a Map with NaN as key"],
    [new Map([[2n ** 64n, 2]]), "input is a Map with a bigint beyond 64 bits as key"],
    [
      new Map<unknown, unknown>([
        [1, 2],
        [true, 3],
      ]),
      "input is a Map with true and another key that Python takes for the same",
    ],
    [
      new Map<unknown, unknown>([
        [1, 2],
        [1n, 3],
      ]),
      "input is a Map with 1n and another key",
    ],
    [
      new Map<unknown, unknown>([
        [2 ** 60, 2],
        [2n ** 60n, 3],
      ]),
      "input is a Map with 1152921504606846976n and another key",
    ],
    [new Map<unknown, unknown>([[5, [() => 1]]]), "input[5][0] is a function"],
    [new Error("x"), "input is a Error"],
    [{ p: Promise.resolve(1) }, "input.p is a Promise"],
    [[Object(1)], "input[0] is a Number"],
    [{ s: "\ud800" }, "input.s is a string with half a surrogate pair"],
    [new Set(["ok", "\udc00x"]), "input[1] is a string with half a surrogate pair"],
    [{ "\ud800": 1 }, 'input["\\ud800"] is a string with half a surrogate pair'],
    [cyclic, "input.list[0] is a reference to one of its own parents"],
    [cyclicMap, "input.self is a reference to one of its own parents"],
  ])("%o", (value, sentence) => {
    expect(() => encodePayload(value)).toThrow(PayloadNotSerializableError);
    expect(() => encodePayload(value)).toThrow(sentence);
  });

  test("a name of the caller's begins the path", () => {
    expect(() => encodePayload({ a: () => 1 }, "items[3].input")).toThrow("items[3].input.a is a function");
  });

  test("200 levels pass, 5,000 are refused instead of a stack overflow", () => {
    const nested = (levels: number) => {
      let value: unknown = 1;
      for (let level = 0; level < levels; level += 1) value = [value];
      return value;
    };
    expect(roundTrip(nested(200))).toEqual(nested(200));
    expect(() => encodePayload(nested(201))).toThrow(/^input(\[0\])+(\[0?)?\.\.\. is nested more than 200 deep/);
    expect(() => encodePayload(nested(5_000))).toThrow("nested more than 200 deep");
  });

  test("a toJSON that answers itself", () => {
    const self = { toJSON: () => self };
    expect(() => encodePayload({ self })).toThrow("input.self is a reference to one of its own parents");
  });
});

describe("encodePayload - size", () => {
  test("exactly the limit passes, one byte more doesn't", () => {
    expect(encodePayload("x".repeat(MAX_INPUT_BYTES - 2)).json).toHaveLength(MAX_INPUT_BYTES);
    expect(() => encodePayload("x".repeat(MAX_INPUT_BYTES - 1))).toThrow(PayloadTooLargeError);
    expect(() => encodePayload("x".repeat(MAX_INPUT_BYTES - 1))).toThrow(
      "input is 1,048,577 bytes, more than the 1,048,576 allowed.",
    );
  });

  test("bytes are counted, not characters", () => {
    expect(() => encodePayload("☃☃", "input", 7)).toThrow("input is 8 bytes, more than the 7 allowed.");
  });

  test("MessagePack is measured as MessagePack", () => {
    expect(encodePayload(new Uint8Array(100), "input", 102).bytes).toHaveLength(102);
    expect(() => encodePayload(new Uint8Array(101), "input", 102)).toThrow("input is 103 bytes");
  });
});

describe("decodePayload", () => {
  test("a payload with neither form is null", () => {
    expect(decodePayload({ json: null, bytes: null })).toBeNull();
  });

  test("a member named __proto__ changes no prototype", () => {
    const value: unknown = JSON.parse('{"a": {"__proto__": {"admin": true}}}');
    for (const back of [
      roundTrip(value),
      roundTrip({ value, nan: Number.NaN }),
      roundTrip(new Map([["value", value]])),
    ]) {
      expect(exact(JSON.stringify(back))).toContain('{"__proto__":{"admin":true}}');
      expect(JSON.stringify(Object.getPrototypeOf(back))).toBe("{}");
      expect(Reflect.get(back as object, "admin")).toBeUndefined();
    }
    expect(Reflect.get({}, "admin")).toBeUndefined();
  });

  test("what can't be read is an error with a code, and says what it has", () => {
    const read = (json: string | null, bytes: Uint8Array | null) => () => decodePayload({ json, bytes });
    expect(read("{", null)).toThrow(PayloadNotReadableError);
    expect(read(null, new Uint8Array([0x92, 1]))).toThrow(
      "A payload can't be read: it has fewer values than announced at byte 1.",
    );
  });
});

test("encodePayload - whatever it takes comes back equal", () => {
  fc.assert(
    fc.property(plainValue(), (value) => {
      expect(exact(roundTrip(value))).toEqual(exact(value));
    }),
    { numRuns: 500 },
  );
});

test("encodePayload - anything at all comes back or is refused", () => {
  const anything = fc.anything({
    withBigInt: true,
    withDate: true,
    withMap: true,
    withSet: true,
    withTypedArray: true,
    withSparseArray: true,
    withBoxedValues: true,
    withNullPrototype: true,
    withObjectString: true,
  });
  fc.assert(
    fc.property(anything, (value) => {
      let back: unknown;
      try {
        back = roundTrip(value);
      } catch (error) {
        expect(error).toBeInstanceOf(PayloadNotSerializableError);
        expect(String(error)).toMatch(/ is .+, which can't be sent: .+\.$/s);
        return;
      }
      // What came back is plain: it doesn't change any more.
      expect(exact(roundTrip(back))).toEqual(exact(back));
    }),
    { numRuns: 500 },
  );
});
