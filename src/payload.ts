/**
 * Inputs on their way to Postgres and results on their way back. A value is kept as JSON when JSON says it exactly, so that it can be searched by path;
 * else as MessagePack. What neither can say is refused with the path of the value, never silently changed.
 */
import { pack, unpack, wideInteger } from "../bridge/src/messagepack.ts";
import { PayloadNotSerializableError, PayloadTooLargeError } from "./errors.ts";

export const JSON_TYPE = "application/json";
export const MESSAGEPACK_TYPE = "application/msgpack";

/** 1 MiB. */
export const MAX_INPUT_BYTES = 1024 * 1024;
/** Deeper values are refused: neither side's decoder is to be tried with them. */
const MAX_DEPTH = 200;

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
  const seen = new Set<object>();
  const exact = { json: true };
  const plain = normalize(value, name, seen, exact, 0);
  if (exact.json) {
    const json = JSON.stringify(plain);
    checkSize(Buffer.byteLength(json), name, maxBytes);
    return { contentType: JSON_TYPE, json, bytes: null };
  }
  const bytes = pack(withWideIntegers(plain));
  checkSize(bytes.byteLength, name, maxBytes);
  return { contentType: MESSAGEPACK_TYPE, json: null, bytes };
}

/** JSON's integers are Python's ints; so must be those that have a NaN or bytes beside them. */
function withWideIntegers(plain: unknown): unknown {
  if (typeof plain === "number") return Number.isSafeInteger(plain) ? wideInteger(plain) : plain;
  if (Array.isArray(plain)) return plain.map(withWideIntegers);
  if (plain === null || typeof plain !== "object" || plain instanceof Date || plain instanceof Uint8Array) return plain;
  return Object.fromEntries(Object.entries(plain).map(([key, item]) => [key, withWideIntegers(item)]));
}

/** The value of a payload that Python or `encodePayload` wrote. */
export function decodePayload(payload: { readonly json: string | null; readonly bytes: Uint8Array | null }): unknown {
  if (payload.json !== null) return JSON.parse(payload.json);
  if (payload.bytes !== null) return unpack(payload.bytes);
  return null;
}

function checkSize(size: number, name: string, maxBytes: number): void {
  if (size > maxBytes) {
    throw new PayloadTooLargeError(
      `${name} is ${size.toLocaleString("en")} bytes, more than the ${maxBytes.toLocaleString("en")} allowed. Keep large data in a store of its own and pass its address.`,
    );
  }
}

/** A copy of JSON's and MessagePack's own types only; `exact.json` turns false at the first value that JSON can't say exactly. */
function normalize(value: unknown, path: string, seen: Set<object>, exact: { json: boolean }, depth: number): unknown {
  switch (typeof value) {
    case "string":
      return checkString(value, path, exact);
    case "boolean":
      return value;
    case "number":
      if (!Number.isFinite(value) || (Number.isInteger(value) && !Number.isSafeInteger(value))) exact.json = false;
      return value;
    case "bigint":
      exact.json = false;
      if (value >= -(2n ** 63n) && value < 2n ** 64n) return value;
      throw refuse(path, "a bigint beyond 64 bits", "pass it as a string");
    case "undefined":
      return null;
    case "object":
      return value === null ? null : normalizeObject(value, path, seen, exact, depth);
    default:
      throw refuse(path, `a ${typeof value}`, "pass data only");
  }
}

function normalizeObject(
  value: object,
  path: string,
  seen: Set<object>,
  exact: { json: boolean },
  depth: number,
): unknown {
  if (seen.has(value)) throw refuse(path, "a reference to one of its own parents", "pass a tree");
  if (depth > MAX_DEPTH) throw refuse(path, `nested more than ${MAX_DEPTH} deep`, "flatten it");
  if (value instanceof Date) {
    if (Number.isNaN(value.getTime())) throw refuse(path, "an invalid Date", "pass a valid one or null");
    exact.json = false;
    return value;
  }
  if (value instanceof Uint8Array || value instanceof ArrayBuffer) {
    exact.json = false;
    return value instanceof ArrayBuffer
      ? new Uint8Array(value)
      : new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  }
  if (ArrayBuffer.isView(value)) {
    throw refuse(path, `a ${value.constructor.name}`, "pass a plain array, or a Uint8Array over its buffer");
  }
  seen.add(value);
  try {
    if (Array.isArray(value))
      return value.map((item, index) => normalize(item, `${path}[${index}]`, seen, exact, depth + 1));
    if (value instanceof Set)
      return [...value].map((item, index) => normalize(item, `${path}[${index}]`, seen, exact, depth + 1));
    if (value instanceof Map) return normalizeMap(value, path, seen, exact, depth);
    if ("toJSON" in value && typeof value.toJSON === "function")
      return normalize(value.toJSON(), path, seen, exact, depth + 1);
    const entries = Object.entries(value).filter(([, item]) => item !== undefined);
    return Object.fromEntries(entries.map(([key, item]) => member(key, item, path, seen, exact, depth)));
  } finally {
    seen.delete(value);
  }
}

function normalizeMap(
  value: ReadonlyMap<unknown, unknown>,
  path: string,
  seen: Set<object>,
  exact: { json: boolean },
  depth: number,
): unknown {
  const entries = [...value].map(([key, item]) => {
    if (typeof key !== "string") throw refuse(path, `a Map with a ${typeof key} as key`, "use strings as keys");
    return member(key, item, path, seen, exact, depth);
  });
  return Object.fromEntries(entries);
}

function member(
  key: string,
  item: unknown,
  path: string,
  seen: Set<object>,
  exact: { json: boolean },
  depth: number,
): [string, unknown] {
  const at = /^[A-Za-z_$][\w$]*$/.test(key) ? `${path}.${key}` : `${path}[${JSON.stringify(key)}]`;
  checkString(key, at, exact);
  if (key === "__proto__") throw refuse(at, "a key named __proto__", "rename it");
  return [key, normalize(item, at, seen, exact, depth + 1)];
}

/** jsonb can't hold NUL; nobody can hold half a surrogate pair. */
function checkString(value: string, path: string, exact: { json: boolean }): string {
  if (!value.isWellFormed()) throw refuse(path, "a string with half a surrogate pair", "call toWellFormed() on it");
  if (value.includes("\0")) exact.json = false;
  return value;
}

function refuse(path: string, what: string, remedy: string): PayloadNotSerializableError {
  return new PayloadNotSerializableError(`${path} is ${what}, which can't be sent: ${remedy}.`);
}
