import { types } from "node:util";
import { MAX_INTEGER_BYTES, numberIfExact } from "./extensions.ts";
import type { Path } from "./path.ts";
import { bytesOf, isDetached, letterOf } from "./typed-arrays.ts";
import { floorDivide, isPythonYear, ZonedDate } from "./zoned-date.ts";

/** A Date, bytes (as one Uint8Array) or a typed array; undefined for any other object. @throws PayloadNotSerializableError */
export function leafOf(value: object, path: Path): Date | ArrayBufferView | undefined {
  if (types.isDate(value)) return dateOf(value, path);
  if (types.isAnyArrayBuffer(value)) return leafOf(new Uint8Array(value), path);
  if (!ArrayBuffer.isView(value)) return undefined;
  if (isDetached(value.buffer))
    throw path.refuse("a view of a buffer that was transferred", "send it before, or a copy");
  // A Buffer and a DataView are bytes.
  if (types.isUint8Array(value) || types.isDataView(value)) return bytesOf(value);
  if (letterOf(value) === undefined) throw path.refuse(`a ${value.constructor.name}`, "pass a plain array");
  return value;
}

function dateOf(date: Date, path: Path): Date {
  const time = date.getTime();
  if (Number.isNaN(time)) throw path.refuse("an invalid Date", "pass a valid one or null");
  if (date instanceof ZonedDate) {
    if (BigInt(time) === floorDivide(date.epochMicroseconds, 1000n)) return date;
    throw path.refuse("a ZonedDate that was changed after it was made", "make a new one");
  }
  if (!isPythonYear(time)) throw path.refuse("a Date outside the years 1 to 9999", "pass it as a string");
  return date;
}

/** A number where that is exact. @throws PayloadNotSerializableError */
export function integerOf(value: bigint, path: Path): number | bigint {
  if (BigInt.asIntN(MAX_INTEGER_BYTES * 8, value) === value) return numberIfExact(value);
  throw path.refuse(`a bigint of more than ${MAX_INTEGER_BYTES} bytes`, "pass it as a string");
}
