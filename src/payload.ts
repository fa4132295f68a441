/**
 * Inputs on their way to Postgres and results on their way back. A value is kept as JSON when JSON says it exactly, so that it can be searched by path;
 * else as MessagePack. What neither can say is refused with the path of the value, never silently changed. docs/payloads.md has every form.
 */
import { PayloadNotReadableError, PayloadTooLargeError } from "./errors.ts";
import { parseJson } from "./payload/json.ts";
import { readMessagePack } from "./payload/reader.ts";
import { writeMessagePack } from "./payload/writer.ts";
import { type PlainValue, toPlain } from "./plain-value.ts";

export const JSON_TYPE = "application/json";
export const MESSAGEPACK_TYPE = "application/msgpack";

/** 1 MiB. */
export const MAX_INPUT_BYTES = 1024 * 1024;
/** 32 MiB: the most that the limit can be raised to. The bridge refuses frames of 64 MiB, and jsonb writes more spaces than came. */
export const LARGEST_INPUT_BYTES = 32 * 1024 * 1024;

/** A value as the columns and the bridge carry it: exactly one of `json` and `bytes` is set. */
export interface EncodedPayload {
  readonly contentType: typeof JSON_TYPE | typeof MESSAGEPACK_TYPE;
  readonly json: string | null;
  readonly bytes: Uint8Array | null;
}

/**
 * Encodes `value`; `name` begins the path in messages (`input.rows[3].when`).
 *
 * @throws PayloadNotSerializableError, PayloadTooLargeError
 */
export function encodePayload(value: unknown, name = "input", maxBytes = MAX_INPUT_BYTES): EncodedPayload {
  return encodePlain(toPlain(value, name), name, maxBytes);
}

/** `encodePayload` of a value that was made plain before. */
export function encodePlain({ plain, isJson }: PlainValue, name: string, maxBytes: number): EncodedPayload {
  if (isJson) {
    const json = JSON.stringify(plain);
    checkSize(Buffer.byteLength(json), name, maxBytes);
    return { contentType: JSON_TYPE, json, bytes: null };
  }
  const bytes = writeMessagePack(plain);
  checkSize(bytes.byteLength, name, maxBytes);
  return { contentType: MESSAGEPACK_TYPE, json: null, bytes };
}

/**
 * The value of a payload that Python or `encodePayload` wrote.
 *
 * @throws PayloadNotReadableError
 */
export function decodePayload(payload: { readonly json: string | null; readonly bytes: Uint8Array | null }): unknown {
  try {
    if (payload.json !== null) return parseJson(payload.json);
    if (payload.bytes !== null) return readMessagePack(payload.bytes);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new PayloadNotReadableError(
      `A payload can't be read: it has ${reason}. Was it written by hand, or by a newer rayferry?`,
      { cause: error },
    );
  }
  return null;
}

function checkSize(size: number, name: string, maxBytes: number): void {
  if (size > maxBytes) {
    throw new PayloadTooLargeError(
      `${name} is ${size.toLocaleString("en")} bytes, more than the ${maxBytes.toLocaleString("en")} allowed. Keep large data in a store of its own and pass its address.`,
    );
  }
}
