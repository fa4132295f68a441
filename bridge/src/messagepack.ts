import { type Options, Packr, Unpackr } from "msgpackr";

/**
 * Settings under which msgspec reads what msgpackr writes and the other way round: no record extensions, undefined as nil, integers within 2^53 as
 * numbers and beyond as bigint, bytes copied out of the received buffer instead of pinning it.
 */
const OPTIONS: Options = {
  useRecords: false,
  variableMapSize: true,
  encodeUndefinedAsNil: true,
  mapsAsObjects: true,
  moreTypes: false,
  copyBuffers: true,
  // msgpackr would follow references inside a message that it reads, and so make cycles.
  structuredClone: false,
};
// msgpackr knows "auto" (number within 2^53, else bigint); its types don't.
Reflect.set(OPTIONS, "int64AsType", "auto");

const packr = new Packr(OPTIONS);
const unpackr = new Unpackr(OPTIONS);

/** MessagePack of a value of plain types. */
export function pack(value: unknown): Uint8Array {
  return new Uint8Array(packr.pack(value));
}

/** The value; throws on truncated, trailing or otherwise malformed bytes. */
export function unpack(bytes: Uint8Array): unknown {
  return unpackr.unpack(bytes);
}

/** msgpackr writes a number beyond 32 bits as a float, which the other side refuses as an integer. Beyond 2^53 it is one. */
export function wideInteger(value: number): number | bigint {
  if (!Number.isSafeInteger(value)) return value;
  return value > 0xffff_ffff || value < -0x8000_0000 ? BigInt(value) : value;
}
