import fc from "fast-check";
import { Packr } from "msgpackr";
import { describe, expect, test } from "vitest";
import { readMessagePack } from "../../src/payload/reader.ts";
import { writeMessagePack } from "../../src/payload/writer.ts";
import { exact } from "../support/exact.ts";

describe("readMessagePack - what only other writers say", () => {
  test.each<[string, string, unknown]>([
    ["float32", "ca3fc00000", 1.5],
    ["an integer in more bytes than it needs", "cf0000000000000001", 1],
    ["a negative integer in more bytes than it needs", "d3ffffffffffffffff", -1],
    ["a string in more bytes than it needs", "db0000000161", "a"],
    ["an array in more bytes than it needs", "dd0000000101", [1]],
    ["a map in more bytes than it needs", "df00000001a16101", { a: 1 }],
    ["an integer beyond 64 bits in more bytes than it needs", "c703010000ff", 255],
    ["NaN with other bits", "cb7ff8000000000001", Number.NaN],
  ])("%s", (_what, hex, value) => {
    expect(exact(readMessagePack(Buffer.from(hex, "hex")))).toEqual(exact(value));
  });

  test("whatever msgpackr writes without its own extensions", () => {
    const packr = new Packr({ useRecords: false });
    // Its types don't know this setting: integers within 2^53 as numbers.
    Reflect.set(packr, "int64AsType", "auto");
    // It reads a member named __proto__ under another name.
    const json = fc.json({ depthSize: "medium" }).filter((text) => !text.includes("__proto__"));
    fc.assert(
      fc.property(json, (text) => {
        const value: unknown = JSON.parse(text);
        expect(exact(readMessagePack(packr.pack(value)))).toEqual(exact(value));
        expect(exact(packr.unpack(writeMessagePack(value)))).toEqual(exact(value));
      }),
      { numRuns: 300 },
    );
  });
});

describe("readMessagePack - hostile bytes", () => {
  test.each<[string, string, string]>([
    ["a key twice", "82a16101a16102", "a map with the same key twice"],
    ["a number twice as key", "820101cb3ff000000000000002", "a map with the same key twice"],
    ["a key that is an array", "81910102", "a key that is no string"],
    ["a key that is bytes", "81c4016102", "a key that is no string"],
    ["a key that is NaN", "81cb7ff800000000000002", "a key that is no string"],
    ["a key that is -0", "81cb800000000000000002", "a key that is no string"],
    ["an integer over 4 KiB", `c8100101${"01".repeat(4097)}`, "an integer of 4097 bytes; expected 1 to 4096"],
    ["a timestamp with nanoseconds", "d7ff0000000400000000", "a timestamp with 1 nanoseconds"],
  ])("%s", (_what, hex, sentence) => {
    expect(() => readMessagePack(Buffer.from(hex, "hex"))).toThrow(sentence);
  });

  test.each([1_000, 1_000_000])("%i levels", (levels) => {
    const deep = new Uint8Array(levels + 1).fill(0x91);
    expect(() => readMessagePack(deep)).toThrow("a value nested more than 200 deep at byte");
    const maps = new Uint8Array(levels * 2 + 1).fill(0x81).map((byte, index) => (index % 2 === 0 ? byte : 1));
    expect(() => readMessagePack(maps)).toThrow("a value nested more than 200 deep at byte");
  });

  test("whatever they are, they are read or refused in a sentence", () => {
    const head = fc.constantFrom(
      0x81,
      0x92,
      0xa3,
      0xc4,
      0xc7,
      0xcb,
      0xcf,
      0xd4,
      0xd6,
      0xd7,
      0xd9,
      0xdc,
      0xde,
      1,
      2,
      3,
      0xff,
    );
    const bytes = fc.array(fc.oneof(head, fc.nat(255)), { maxLength: 60 }).map((each) => new Uint8Array(each));
    fc.assert(
      fc.property(bytes, (given) => {
        let value: unknown;
        try {
          value = readMessagePack(given);
        } catch (error) {
          expect(String(error)).toMatch(/ at byte \d+$/);
          return;
        }
        expect(exact(readMessagePack(writeMessagePack(value)))).toEqual(exact(value));
      }),
      { numRuns: 3_000 },
    );
  });

  test("what is read shares no memory with the bytes that came", () => {
    const bytes = Buffer.from("92c40101c7020242ff", "hex");
    const [plain, typed] = readMessagePack(bytes) as [Uint8Array, Uint8Array];
    bytes.fill(0);
    expect([plain, typed]).toEqual([new Uint8Array([1]), new Uint8Array([255])]);
    expect([plain.buffer.byteLength, typed.buffer.byteLength]).toEqual([1, 1]);
  });
});

test("writeMessagePack - nothing but the value is in its buffer", () => {
  for (const value of [1, "x".repeat(5_000), new Float64Array(3), { a: new Uint8Array(2_000) }]) {
    const bytes = writeMessagePack(value);
    expect(bytes.buffer.byteLength).toBe(bytes.byteLength);
  }
});

test("writeMessagePack - lengths at the borders of their forms", () => {
  for (const length of [31, 32, 255, 256, 65_535, 65_536]) {
    const value = {
      text: "x".repeat(length),
      bytes: new Uint8Array(length),
      array: new Int8Array(length),
      items: Array(length).fill(1),
    };
    const map = new Map(value.items.map((_, index) => [index, index]));
    expect(exact(readMessagePack(writeMessagePack([value, map])))).toEqual(exact([value, map]));
  }
});
