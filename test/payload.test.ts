import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { PayloadNotSerializableError, PayloadTooLargeError } from "../src/errors.ts";
import { decodePayload, encodePayload, JSON_TYPE, MAX_INPUT_BYTES, MESSAGEPACK_TYPE } from "../src/payload.ts";
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
    ["the lowest bigint", -(2n ** 63n)],
    ["bytes", new Uint8Array([0, 255])],
    ["no bytes", new Uint8Array()],
    ["a Date", new Date("2026-07-01T12:34:56.789Z")],
    ["a Date before 1970", new Date(-1)],
    ["NUL in a string", "a\0b"],
    ["NUL in a key", { "a\0b": 1 }],
    ["NaN deep inside", { a: [{ b: Number.NaN }] }],
  ])("%s", (_what, value) => {
    const encoded = encodePayload(value);
    expect(encoded.contentType).toBe(MESSAGEPACK_TYPE);
    expect(encoded.json).toBeNull();
    expect(decodePayload(encoded)).toEqual(value);
  });

  test("an integer stays an integer beside a value that needs MessagePack", () => {
    // 0xd3: int64. 0xcb would be a float, which Python hands to the task as 5000000000.0.
    const { bytes } = encodePayload([5_000_000_000, Number.NaN]);
    expect(Buffer.from(bytes ?? []).toString("hex")).toBe("92d3000000012a05f200cb7ff8000000000000");
    expect(roundTrip({ n: [-5_000_000_000, 1.5], x: Number.NaN })).toEqual({ n: [-5_000_000_000, 1.5], x: Number.NaN });
  });

  test("a bigint within 2^53 comes back as a number", () => {
    expect(roundTrip(5n)).toBe(5);
  });

  test("a Buffer and an ArrayBuffer are bytes, a view of a part is that part", () => {
    const whole = new Uint8Array([1, 2, 3, 4]);
    expect(roundTrip(Buffer.from("ab"))).toEqual(new Uint8Array([97, 98]));
    expect(roundTrip(whole.buffer)).toEqual(whole);
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

  test.each<[unknown, string]>([
    [() => 1, "input is a function, which can't be sent: pass data only."],
    [{ rows: [0, { when: Symbol("x") }] }, "input.rows[1].when is a symbol"],
    [{ "a b": { $c: [Symbol("x")] } }, 'input["a b"].$c[0] is a symbol'],
    [{ n: 2n ** 64n }, "input.n is a bigint beyond 64 bits"],
    [[-(2n ** 63n) - 1n], "input[0] is a bigint beyond 64 bits"],
    [{ when: new Date(Number.NaN) }, "input.when is an invalid Date"],
    [{ x: new Float64Array(1) }, "input.x is a Float64Array"],
    [{ x: new DataView(new ArrayBuffer(1)) }, "input.x is a DataView"],
    [new Map([[1, 2]]), "input is a Map with a number as key"],
    [{ s: "\ud800" }, "input.s is a string with half a surrogate pair"],
    [new Set(["ok", "\udc00x"]), "input[1] is a string with half a surrogate pair"],
    [{ "\ud800": 1 }, 'input["\\ud800"] is a string with half a surrogate pair'],
    [JSON.parse('{"a": {"__proto__": 1}}'), "input.a.__proto__ is a key named __proto__"],
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

test("decodePayload - a payload with neither form is null", () => {
  expect(decodePayload({ json: null, bytes: null })).toBeNull();
});

test("encodePayload - whatever it takes comes back equal", () => {
  fc.assert(
    fc.property(plainValue(), (value) => {
      expect(roundTrip(value)).toEqual(value);
    }),
    { numRuns: 500 },
  );
});
