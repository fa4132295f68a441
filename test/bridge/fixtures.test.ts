import { describe, expect, test } from "vitest";
import {
  decodeEnvelope,
  decodeWorkerEnvelope,
  encodeEnvelope,
  encodeServerEnvelope,
} from "../../bridge/src/envelope.ts";
import { pack, unpack } from "../../bridge/src/messagepack.ts";
import { LOOSE, SERVER_MESSAGES, WORKER_MESSAGES } from "../../bridge/src/messages.ts";
import { BridgeError } from "../../src/errors.ts";
import { type FixtureCase, readFixtures } from "../support/fixtures.ts";

const FIXTURES = readFixtures();
const MESSAGES = FIXTURES.filter((each) => each.name !== "envelope").flatMap(({ name, cases }) =>
  cases.map((each) => ({ name, ...each })),
);
const FRAMES = FIXTURES.filter((each) => each.name === "envelope").flatMap((each) => each.cases);
/** A fence may have 63 bits on the wire; a JavaScript number ends at 53, and so does a worker's sequence in practice. */
const beyondNumber = ({ message }: Pick<FixtureCase, "message">) =>
  Array.isArray(message) && message.some((field) => typeof field === "bigint");

const TABLES = { worker: WORKER_MESSAGES, server: SERVER_MESSAGES } as const;

/** What the codec makes of the bytes of a frame, and of what it writes itself. */
function decodeTwice({ direction, bytes }: Pick<FixtureCase, "direction" | "bytes">) {
  if (direction === "worker") {
    const decoded = decodeWorkerEnvelope(bytes);
    return [decoded, decodeWorkerEnvelope(encodeEnvelope(decoded))] as const;
  }
  const decoded = decodeEnvelope(bytes);
  return [decoded, decodeEnvelope(encodeServerEnvelope(decoded))] as const;
}

/** `[type, ...fields]` as the object that the code has. */
function named(message: readonly unknown[], direction: FixtureCase["direction"]): object {
  const [type, ...values] = message;
  const fields = Object.keys(Reflect.get(TABLES[direction], String(type)));
  expect(values).toHaveLength(fields.length);
  return { type, ...Object.fromEntries(fields.map((name, index) => [name, values[index]])) };
}

const alone = (message: Uint8Array, type: string) => {
  const head = pack([1, "epoch", LOOSE.has(type) ? 0 : 1, 0]);
  // [1, "epoch", seq, 0] with one more element: the array of this one message, byte for byte.
  return new Uint8Array([0x95, ...head.subarray(1), 0x91, ...message]);
};

describe("fixtures - a message", () => {
  test.each(MESSAGES)("$name: $note", (fixture) => {
    expect(unpack(fixture.bytes)).toEqual(fixture.message);
    const frame = { direction: fixture.direction, bytes: alone(fixture.bytes, fixture.name) };
    if (beyondNumber(fixture)) {
      expect(() => decodeTwice(frame)).toThrow(BridgeError);
      return;
    }
    const [decoded, again] = decodeTwice(frame);
    expect(decoded.messages).toEqual([named(fixture.message as unknown[], fixture.direction)]);
    expect(again).toEqual(decoded);
  });
});

describe("fixtures - a frame", () => {
  test.each(FRAMES)("$note", (fixture) => {
    const [protocol, epoch, seq, ack, messages] = fixture.message as [
      number,
      string | null,
      number,
      number,
      unknown[][],
    ];
    const [decoded, again] = decodeTwice(fixture);
    const expected = messages.map((each) => named(each, fixture.direction));
    expect(decoded).toEqual({ protocol, epoch, seq, ack, messages: expected });
    expect(again).toEqual(decoded);
  });
});

test("fixtures - every message that either side sends has some, in its own direction", () => {
  for (const [direction, table] of Object.entries(TABLES)) {
    const covered = new Set(MESSAGES.filter((each) => each.direction === direction).map((each) => each.name));
    expect([...covered].sort()).toEqual(Object.keys(table).sort());
  }
});

test("fixtures - of those no JavaScript number can hold there is one, and it is refused", () => {
  expect(MESSAGES.filter(beyondNumber).map((each) => each.name)).toEqual(["submit"]);
});
