/** Frames that would cost too much to decode are refused before they are. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { checkNesting, MAX_DEPTH, MAX_VALUES } from "../../bridge/src/limits.ts";
import { pack } from "../../bridge/src/messagepack.ts";
import { BridgeError } from "../../src/errors.ts";

const nested = (levels: number, head: readonly number[] = [0x91]) =>
  Uint8Array.from([...Array.from({ length: levels }, () => head).flat(), 0xc0]);

function refusal(bytes: Uint8Array): string {
  try {
    checkNesting(bytes);
  } catch (error) {
    expect(error).toBeInstanceOf(BridgeError);
    return (error as BridgeError).message;
  }
  return expect.fail("it passed");
}

describe("checkNesting", () => {
  test("whatever is packed passes whole, and is refused cut or lengthened", () => {
    const value = fc.anything({
      maxDepth: 6,
      values: [
        fc.string({ maxLength: 300 }),
        fc.double(),
        fc.integer(),
        fc.maxSafeInteger(),
        fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n }),
        fc.boolean(),
        fc.constant(null),
        fc.uint8Array({ maxLength: 70_000 }),
      ],
    });
    fc.assert(
      fc.property(value, (each) => {
        const bytes = pack(each);
        checkNesting(bytes);
        refusal(Uint8Array.from([...bytes, 0xc0]));
        for (const cut of new Set([0, bytes.length >> 1, bytes.length - 1])) refusal(bytes.subarray(0, cut));
      }),
    );
  });

  test("any bytes pass or are refused, and nothing else", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        try {
          checkNesting(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(BridgeError);
        }
      }),
    );
  });

  test.each([
    ["arrays", [0x91]],
    ["maps", [0x81, 0xa1, 0x61]],
    ["arrays with a long head", [0xdc, 0, 1]],
    ["maps with a long head", [0xdf, 0, 0, 0, 1, 0xa0]],
  ])("the deepest that is allowed, and one more: %s", (_what, head) => {
    checkNesting(nested(MAX_DEPTH, head));
    expect(refusal(nested(MAX_DEPTH + 1, head))).toBe("A frame came that is nested deeper than 32 levels.");
  });

  test("100,000 levels", () => {
    expect(refusal(nested(100_000))).toContain("deeper than 32");
  });

  test("the widest that is allowed, and one more", () => {
    checkNesting(pack(new Array(MAX_VALUES - 1).fill(null)));
    expect(refusal(pack(new Array(MAX_VALUES).fill(null)))).toBe("A frame came that has more than 1000000 values.");
    const half = new Array(MAX_VALUES / 2).fill(null);
    expect(refusal(pack([half, half]))).toContain("more than");
  });

  test.each([0xdd, 0xdf, 0xc6, 0xdb])("five bytes that claim 2^32 values or bytes: %i", (head) => {
    expect(refusal(Uint8Array.from([head, 0xff, 0xff, 0xff, 0xff]))).toContain("ends before");
  });

  test("64 MiB of empty arrays are refused without allocating for them", () => {
    const count = 64 * 1024 * 1024 - 5;
    const bytes = new Uint8Array(count + 5).fill(0x90);
    bytes.set([0xdd, count >>> 24, (count >>> 16) & 0xff, (count >>> 8) & 0xff, count & 0xff]);
    const before = process.memoryUsage().heapUsed;
    expect(refusal(bytes)).toContain("more than 1000000 values");
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(10_000_000);
  });

  test.each([[[0xc1]], [[0xd4, 1, 2]], [[0xc7, 1, 5, 0]]])("extension types: %j", (bytes) => {
    expect(refusal(Uint8Array.from(bytes))).toContain("begins no value");
  });
});
