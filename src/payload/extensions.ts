/**
 * MessagePack's extension types in a payload, as docs/payloads.md has them byte for byte. The sidecar writes and reads the same ones
 * (python/rayferry/payload/extensions.py), and bridge/payload-fixtures/ holds examples for the tests of both.
 */
import { floorDivide, ZonedDate } from "./zoned-date.ts";

/** MessagePack's own: seconds and nanoseconds since 1970. */
export const TIMESTAMP = -1;
/** Big-endian two's complement, of an integer beyond 64 bits. */
export const WIDE_INTEGER = 1;
/** One letter for the type of the elements, then the elements, little-endian. */
export const TYPED_ARRAY = 2;
/** int64 microseconds since 1970, int32 offset in seconds, both big-endian, then the zone's name in UTF-8 or nothing. */
export const ZONED_DATE = 3;

/** 4 KiB: an integer of 9,864 digits. Multiplying what a stranger sent must not take for ever. */
export const MAX_INTEGER_BYTES = 4096;

const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const MILLION = 1_000_000n;

/** An extension's code and its bytes. */
export type Extension = readonly [code: number, data: Uint8Array];

/** The fewest bytes that hold it with its sign. */
export function encodeWideInteger(value: bigint): Extension {
  const digits = (value < 0n ? -value - 1n : value).toString(16);
  // The highest bit is the sign's.
  const size = Math.ceil((digits.length + (digits.charCodeAt(0) >= 0x38 ? 1 : 0)) / 2);
  const text = BigInt.asUintN(size * 8, value)
    .toString(16)
    .padStart(size * 2, "0");
  return [WIDE_INTEGER, Buffer.from(text, "hex")];
}

/** @throws Error */
export function decodeWideInteger(data: Uint8Array): number | bigint {
  if (data.length === 0 || data.length > MAX_INTEGER_BYTES)
    throw new Error(`an integer of ${data.length} bytes; expected 1 to ${MAX_INTEGER_BYTES}`);
  return numberIfExact(BigInt.asIntN(data.length * 8, BigInt(`0x${Buffer.from(data).toString("hex")}`)));
}

/** Within 2^53 an integer is a number, however it was written. */
export function numberIfExact(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

/** As a timestamp where UTC is all there is to say, in the shortest of its three forms. */
export function encodeDate(date: Date): Extension {
  if (date instanceof ZonedDate && (date.zone !== null || date.offsetSeconds !== 0)) {
    const data = Buffer.alloc(12 + (date.zone?.length ?? 0));
    data.writeBigInt64BE(date.epochMicroseconds, 0);
    data.writeInt32BE(date.offsetSeconds, 8);
    data.write(date.zone ?? "", 12, "latin1");
    return [ZONED_DATE, data];
  }
  const microseconds = date instanceof ZonedDate ? date.epochMicroseconds : BigInt(date.getTime()) * 1000n;
  const seconds = floorDivide(microseconds, MILLION);
  const nanoseconds = Number(microseconds - seconds * MILLION) * 1000;
  if (seconds < 0n || seconds >= 2n ** 34n) {
    const data = Buffer.alloc(12);
    data.writeUInt32BE(nanoseconds, 0);
    data.writeBigInt64BE(seconds, 4);
    return [TIMESTAMP, data];
  }
  const data = Buffer.alloc(8);
  data.writeBigUInt64BE((BigInt(nanoseconds) << 34n) | seconds);
  return [TIMESTAMP, nanoseconds === 0 && seconds < 2n ** 32n ? data.subarray(4) : data];
}

/** A Date where it is exact to the millisecond, else a ZonedDate. @throws Error */
export function decodeTimestamp(data: Uint8Array): Date {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  let seconds: bigint;
  let nanoseconds = 0;
  if (data.length === 4) {
    seconds = BigInt(view.getUint32(0));
  } else if (data.length === 8) {
    seconds = view.getBigUint64(0) & (2n ** 34n - 1n);
    nanoseconds = Number(view.getBigUint64(0) >> 34n);
  } else if (data.length === 12) {
    seconds = view.getBigInt64(4);
    nanoseconds = view.getUint32(0);
  } else throw new Error(`a timestamp of ${data.length} bytes; expected 4, 8 or 12`);
  if (nanoseconds > 999_999_999 || nanoseconds % 1000 !== 0)
    throw new Error(`a timestamp with ${nanoseconds} nanoseconds; expected whole microseconds of a second`);
  const zoned = new ZonedDate(seconds * MILLION + BigInt(nanoseconds / 1000));
  return nanoseconds % 1_000_000 === 0 ? new Date(zoned.getTime()) : zoned;
}

/** @throws Error */
export function decodeZonedDate(data: Uint8Array): ZonedDate {
  if (data.length < 12) throw new Error(`a date with a zone of ${data.length} bytes; expected 12 or more`);
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const zone = UTF8.decode(data.subarray(12));
  return new ZonedDate(view.getBigInt64(0), view.getInt32(8), zone === "" ? null : zone);
}
