import { types } from "node:util";
import { type Extension, encodeDate, encodeWideInteger } from "./extensions.ts";
import { encodeTypedArray } from "./typed-arrays.ts";

/**
 * MessagePack of a plain value, every value in its shortest form, as msgspec writes it. Our own and not msgpackr's, which loses what a payload may not:
 * the sign of -0, integers beyond 2^32 as integers, a Map's keys, typed arrays (docs/decisions/0003-payloads.md).
 */
export function writeMessagePack(plain: unknown): Uint8Array {
  const writer = new Writer();
  writer.value(plain);
  return writer.bytes();
}

class Writer {
  #buffer = Buffer.allocUnsafe(512);
  #size = 0;

  /** A copy: the buffer may be a part of Node's pool, which has other data around it. */
  bytes(): Uint8Array {
    return new Uint8Array(this.#buffer.subarray(0, this.#size));
  }

  value(value: unknown): void {
    if (typeof value === "string") this.#string(value);
    else if (typeof value === "number") this.#number(value);
    else if (typeof value === "boolean") this.#byte(value ? 0xc3 : 0xc2);
    else if (typeof value === "bigint") this.#bigint(value);
    else if (value === null || value === undefined) this.#byte(0xc0);
    else this.#object(value);
  }

  #object(value: object): void {
    if (Array.isArray(value)) {
      this.#head(value.length, 0x90, 16, null, 0xdc);
      for (const item of value) this.value(item);
    } else if (types.isDate(value)) this.#extension(encodeDate(value));
    else if (types.isUint8Array(value)) this.#raw(value, 0xc4);
    else if (ArrayBuffer.isView(value)) this.#extension(encodeTypedArray(value));
    else this.#map(types.isMap(value) ? [...value] : Object.entries(value));
  }

  #map(entries: readonly (readonly [unknown, unknown])[]): void {
    this.#head(entries.length, 0x80, 16, null, 0xde);
    for (const [key, item] of entries) {
      this.value(key);
      this.value(item);
    }
  }

  #string(text: string): void {
    const length = Buffer.byteLength(text);
    this.#head(length, 0xa0, 32, 0xd9, 0xda);
    this.#reserve(length);
    this.#size += this.#buffer.write(text, this.#size);
  }

  #number(value: number): void {
    if (Number.isSafeInteger(value) && !Object.is(value, -0)) {
      if (value >= -32 && value < 128) this.#byte(value & 0xff);
      else if (value > 0xffff_ffff || value < -0x8000_0000) this.#bigint(BigInt(value));
      else this.#integer(value);
      return;
    }
    this.#byte(0xcb);
    this.#reserve(8);
    this.#size = this.#buffer.writeDoubleBE(value, this.#size);
  }

  /** Of 8 to 32 bits. */
  #integer(value: number): void {
    const size = value >= 0 ? sizeOf(value) : value >= -0x80 ? 1 : value >= -0x8000 ? 2 : 4;
    this.#byte((value >= 0 ? 0xcc : 0xd0) + Math.log2(size));
    this.#reserve(size);
    this.#size =
      value >= 0 ? this.#buffer.writeUIntBE(value, this.#size, size) : this.#buffer.writeIntBE(value, this.#size, size);
  }

  #bigint(value: bigint): void {
    if (value < -(2n ** 63n) || value >= 2n ** 64n) {
      this.#extension(encodeWideInteger(value));
      return;
    }
    this.#byte(value >= 0n ? 0xcf : 0xd3);
    this.#reserve(8);
    this.#size = this.#buffer.writeBigUInt64BE(BigInt.asUintN(64, value), this.#size);
  }

  #extension([code, data]: Extension): void {
    const fixed = [1, 2, 4, 8, 16].indexOf(data.length);
    if (fixed >= 0) this.#byte(0xd4 + fixed);
    else this.#head(data.length, 0, 0, 0xc7, 0xc8);
    this.#byte(code & 0xff);
    this.#append(data);
  }

  #raw(data: Uint8Array, head: number): void {
    this.#head(data.length, 0, 0, head, head + 1);
    this.#append(data);
  }

  /** A length: in the first byte below `fixedLimit`, else in 8 bits where the type has such a form, in 16 or in 32. */
  #head(length: number, fixed: number, fixedLimit: number, head8: number | null, head16: number): void {
    if (length < fixedLimit) {
      this.#byte(fixed | length);
      return;
    }
    const size = head8 === null && length <= 0xff ? 2 : sizeOf(length);
    this.#byte(size === 1 ? (head8 ?? head16) : size === 2 ? head16 : head16 + 1);
    this.#reserve(size);
    this.#size = this.#buffer.writeUIntBE(length, this.#size, size);
  }

  #byte(value: number): void {
    this.#reserve(1);
    this.#buffer[this.#size] = value;
    this.#size += 1;
  }

  #append(data: Uint8Array): void {
    this.#reserve(data.length);
    this.#buffer.set(data, this.#size);
    this.#size += data.length;
  }

  #reserve(more: number): void {
    if (this.#size + more <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, this.#size + more));
    this.#buffer.copy(larger, 0, 0, this.#size);
    this.#buffer = larger;
  }
}

function sizeOf(unsigned: number): 1 | 2 | 4 {
  return unsigned <= 0xff ? 1 : unsigned <= 0xffff ? 2 : 4;
}
