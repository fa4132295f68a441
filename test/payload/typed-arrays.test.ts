import { describe, expect, test } from "vitest";
import { decodeTypedArray, encodeTypedArray, widen } from "../../src/payload/typed-arrays.ts";

const ALL_HALVES = Uint16Array.from({ length: 65_536 }, (_each, bits) => bits);

describe("typed arrays", () => {
  test.skipIf(!("Float16Array" in globalThis))("widen - every half float is the same number", () => {
    const halves = decodeTypedArray(new Uint8Array([0x65, ...new Uint8Array(ALL_HALVES.buffer)]));
    expect(halves.constructor.name).toBe("Float16Array");
    expect([...widen(ALL_HALVES.buffer)]).toEqual([...(halves as unknown as Iterable<number>)]);
  });

  test("widen - those that are named in the standard", () => {
    const bits = new Uint16Array([0x3c00, 0xc000, 0x7bff, 0x0400, 0x0001, 0x8000, 0x7c00, 0xfc00, 0x7e00]);
    const named = [
      1,
      -2,
      65_504,
      2 ** -14,
      2 ** -24,
      -0,
      Number.POSITIVE_INFINITY,
      Number.NEGATIVE_INFINITY,
      Number.NaN,
    ];
    expect([...widen(bits.buffer)]).toEqual(named);
  });

  test("a subclass is sent as its family, a view as what it shows", () => {
    class Samples extends Int16Array {}
    const [, data] = encodeTypedArray(new Samples([1, 2, 3]).subarray(1));
    expect([...data]).toEqual(["h".charCodeAt(0), 2, 0, 3, 0]);
    expect(decodeTypedArray(data)).toEqual(new Int16Array([2, 3]));
  });
});
