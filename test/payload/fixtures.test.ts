import { describe, expect, test } from "vitest";
import { PayloadNotReadableError } from "../../src/errors.ts";
import { decodePayload, encodePayload } from "../../src/payload.ts";
import { exact } from "../support/exact.ts";
import { readPayloadFixtures } from "../support/payload-fixtures.ts";

const fromHex = (hex: string) => new Uint8Array(Buffer.from(hex, "hex"));
/** Node 22 reads half floats, but has nothing to write them from. */
const canWrite = (note: string) => !note.includes("Float16Array") || "Float16Array" in globalThis;

describe("fixtures - MessagePack", () => {
  test.each(readPayloadFixtures("messagepack"))("$note", ({ note, value, hex, writer }) => {
    expect(exact(decodePayload({ json: null, bytes: fromHex(hex) }))).toEqual(exact(value));
    if (writer === "python" || !canWrite(note)) return;
    // JSON says some of them exactly: a value that it can't say makes the whole array MessagePack.
    const { bytes } = encodePayload([value, new Uint8Array()]);
    expect(Buffer.from(bytes ?? []).toString("hex")).toBe(`92${hex}c400`);
  });
});

describe("fixtures - JSON", () => {
  test.each(readPayloadFixtures("json"))("$note", ({ value, json, writer }) => {
    expect(exact(decodePayload({ json, bytes: null }))).toEqual(exact(value));
    if (writer === undefined) expect(encodePayload(value)).toMatchObject({ json, bytes: null });
  });
});

describe("fixtures - malformed", () => {
  test.each(readPayloadFixtures("malformed"))("$note", ({ hex }) => {
    expect(() => decodePayload({ json: null, bytes: fromHex(hex) })).toThrow(PayloadNotReadableError);
  });
});
