import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  decodeEnvelope,
  decodeWorkerEnvelope,
  encodeEnvelope,
  encodeServerEnvelope,
  MAX_ENVELOPE_BYTES,
  MAX_MESSAGES,
} from "../../bridge/src/envelope.ts";
import { pack } from "../../bridge/src/messagepack.ts";
import { BridgeError } from "../../src/errors.ts";

const ACCEPTED = ["accepted", "id", 1];

describe("decodeEnvelope - a malformed frame", () => {
  test.each<[string, unknown]>([
    ["expected an array of 5, got null", null],
    ["expected an array of 5", "text"],
    ["expected an array of 5", {}],
    ["expected an array of 5", [1, "e", 1, 0]],
    ["expected an array of 5", [1, "e", 1, 0, [], 6]],
    ["expected whole numbers for protocol, seq and ack", ["1", "e", 1, 0, []]],
    ["expected whole numbers", [1, "e", 1.5, 0, []]],
    ["expected whole numbers", [1, "e", -1, 0, []]],
    ["expected whole numbers", [1, "e", 2n ** 60n, 0, []]],
    ["expected whole numbers", [1, "e", 1, null, []]],
    ["expected an epoch of type str or null, got 7", [1, 7, 1, 0, []]],
    ["expected an array of at most 10000 messages", [1, "e", 1, 0, {}]],
    ["expected an array of at most 10000 messages", [1, "e", 1, 0, Array(MAX_MESSAGES + 1).fill(ACCEPTED)]],
    ["expected a message that begins with its type", [1, "e", 1, 0, ["accepted"]]],
    ["expected a message that begins with its type", [1, "e", 1, 0, [[7, "id"]]]],
    ["expected a message that begins with its type", [1, "e", 1, 0, [[]]]],
    ["expected one of welcome, refused,", [1, "e", 1, 0, [["unheard-of"]]]],
    ["expected one of welcome, refused,", [1, "e", 1, 0, [["toString"]]]],
    ["expected one of welcome, refused,", [1, "e", 1, 0, [["__proto__"]]]],
    ["expected one of welcome, refused,", [1, "e", 1, 0, [["close", "a worker's message"]]]],
    ["expected 2 fields in accepted, got 1", [1, "e", 1, 0, [["accepted", "id"]]]],
    ["expected 2 fields in accepted, got 3", [1, "e", 1, 0, [["accepted", "id", 1, 2]]]],
    ['expected accepted.fence of type int, got "1"', [1, "e", 1, 0, [["accepted", "id", "1"]]]],
    ["expected accepted.fence of type int, got 1.5", [1, "e", 1, 0, [["accepted", "id", 1.5]]]],
    ["expected accepted.execution of type str, got null", [1, "e", 1, 0, [["accepted", null, 1]]]],
    ["expected registry.tasks of type array of map", [1, "e", 1, 0, [["registry", [1], []]]]],
    ["expected inventory.attempts of type array of [execution, fence, holder, phase]", inventory([["id", 1]])],
    ["expected inventory.attempts of type array of [execution, fence, holder, phase]", inventory([["a", 1, "h", "x"]])],
    ["expected inventory.attempts of type array of", inventory(Array(10_001).fill(["a", 1, "h", "ENDED"]))],
    ["expected rejected.code of type str", [1, "e", 1, 0, [["rejected", "id", 1, "NOT_TODAY", "why"]]]],
    ["nested deeper than 32 levels", [1, "e", 1, 0, [["result", "id", 1, "LOST", null, null, null, null, nested(30)]]]],
    ["expected loose messages only", [1, "e", 0, 0, [["accepted", "id", 1]]]],
    ["expected numbered messages, at least one", [1, "e", 1, 0, [["gap", 1]]]],
    ["expected numbered messages, at least one", [1, "e", 1, 0, []]],
  ])("%s", (sentence, frame) => {
    expect(() => decodeEnvelope(pack(frame))).toThrow(BridgeError);
    expect(() => decodeEnvelope(pack(frame))).toThrow(sentence);
  });

  test("a sentence stays short whatever came", () => {
    const error = thrownBy(() => decodeEnvelope(pack(["x".repeat(100_000)])));
    expect(error.message.length).toBeLessThan(300);
  });

  test.each([
    ["nothing", ""],
    ["a truncated array", "95"],
    ["a truncated string", "9501a965"],
    ["bytes after the end", "c0c0"],
    ["a byte that MessagePack never uses", "c1"],
    ["an array that says it has four thousand million elements", "ddffffffff"],
    ["an unknown extension", "d45500"],
    // msgpackr's own extensions for references: an array that contains itself.
    ["a cycle", "9501c00100d669000000019191d67000000001"],
  ])("%s", (_what, hex) => {
    expect(() => decodeEnvelope(Buffer.from(hex, "hex"))).toThrow(BridgeError);
  });

  test("one byte more than allowed is refused unread", () => {
    expect(() => decodeEnvelope(new Uint8Array(MAX_ENVELOPE_BYTES + 1))).toThrow(
      "A frame of 67108865 bytes came; at most 67108864 are allowed.",
    );
  });
});

describe("decodeEnvelope - throws BridgeError and nothing else", () => {
  const decode = (bytes: Uint8Array) => {
    for (const each of [decodeEnvelope, decodeWorkerEnvelope]) {
      try {
        each(bytes);
      } catch (error) {
        expect(error).toBeInstanceOf(BridgeError);
      }
    }
  };

  test("for random bytes", () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 64 }), decode), { numRuns: 2_000 });
  });

  test("for a good frame with some bytes changed", () => {
    const good = pack(inventory([["0193a5f0-7c1e-7b2a-9d3f-2f6c1a0b4d5e", 7, "h", "ENDED"]]));
    const change = fc.tuple(fc.nat(good.length - 1), fc.nat(255));
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 4 }), (changes) => {
        const bytes = new Uint8Array(good);
        for (const [at, byte] of changes) bytes[at] = byte;
        decode(bytes);
      }),
      { numRuns: 2_000 },
    );
  });

  test("for a good frame cut anywhere", () => {
    const good = pack(inventory([]));
    for (let end = 0; end < good.length; end += 1) {
      expect(() => decodeEnvelope(good.subarray(0, end))).toThrow(BridgeError);
    }
  });
});

test("decodeEnvelope - maps as deep as the page allows are taken", () => {
  const [result] = decodeEnvelope(
    pack([1, "e", 1, 0, [["result", "id", 1, "LOST", null, null, null, null, nested(29)]]]),
  ).messages;
  expect(result?.type).toBe("result");
});

describe("encode - integers are integers on the wire however large", () => {
  test("in a frame of a worker", () => {
    const fence = Number.MAX_SAFE_INTEGER;
    const recorded = { type: "recorded", attempts: [["id", fence]] } as const;
    const bytes = encodeEnvelope({ protocol: 1, epoch: null, seq: 2 ** 40, ack: 2 ** 33, messages: [recorded] });
    // 0xcb would be a float.
    expect(Buffer.from(bytes).includes(0xcb)).toBe(false);
    expect(decodeWorkerEnvelope(bytes)).toEqual({
      protocol: 1,
      epoch: null,
      seq: 2 ** 40,
      ack: 2 ** 33,
      messages: [recorded],
    });
  });

  test("in a frame of a server", () => {
    const accepted = { type: "accepted", execution: "id", fence: 2 ** 32 } as const;
    const bytes = encodeServerEnvelope({ protocol: 1, epoch: "e", seq: 1, ack: 0, messages: [accepted] });
    expect(Buffer.from(bytes).toString("hex")).toMatch(/d30000000100000000$/);
    expect(decodeEnvelope(bytes).messages).toEqual([accepted]);
  });

  test("but not those that no integer can hold", () => {
    const authority = { type: "authority", tick: 1e300 } as const;
    const bytes = encodeEnvelope({ protocol: 1, epoch: null, seq: 0, ack: 0, messages: [authority] });
    expect(decodeWorkerEnvelope(bytes).messages).toEqual([authority]);
  });

  test("the bytes of an input are copied out of the frame, not a view that keeps it alive", () => {
    const submit = { type: "submit", execution: "id", fence: 1, attempt: 1, task: "t", content_type: "c" } as const;
    const bytes = new Uint8Array([1, 2]);
    const messages = [{ ...submit, input: bytes, timeout_seconds: null, timeout_grace_seconds: 0, options: {} }];
    const [decoded] = decodeWorkerEnvelope(
      encodeEnvelope({ protocol: 1, epoch: "e", seq: 1, ack: 0, messages }),
    ).messages;
    const input = decoded?.type === "submit" ? decoded.input : expect.fail("It came back as another message.");
    expect([...input]).toEqual([1, 2]);
    expect(input.buffer.byteLength).toBeLessThan(10);
  });
});

/** A map in a map ..., of so many levels. */
function nested(levels: number): object {
  return levels === 1 ? { in: 1 } : { in: nested(levels - 1) };
}

function inventory(attempts: unknown): unknown {
  return [1, "e", 1, 1, [["inventory", attempts, true]]];
}

function thrownBy(run: () => unknown): Error {
  try {
    run();
  } catch (error) {
    if (error instanceof Error) return error;
  }
  return expect.fail("Nothing was thrown.");
}
