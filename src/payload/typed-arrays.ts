import { types } from "node:util";
import { type Extension, TYPED_ARRAY } from "./extensions.ts";

interface TypedArrayConstructor {
  readonly BYTES_PER_ELEMENT: number;
  new (buffer: ArrayBuffer): ArrayBufferView;
}

/** Node 24 has it, Node 22 doesn't; TypeScript's library of the target doesn't know it. */
const float16Array: TypedArrayConstructor | undefined = Reflect.get(globalThis, "Float16Array");

/** The letters of Python's `struct` and `array` modules; `C` is ours. A Uint8Array is bytes, but numpy's uint8 says `B`. */
const CONSTRUCTORS: Readonly<Record<string, TypedArrayConstructor | undefined>> = {
  b: Int8Array,
  B: Uint8Array,
  C: Uint8ClampedArray,
  h: Int16Array,
  H: Uint16Array,
  i: Int32Array,
  I: Uint32Array,
  q: BigInt64Array,
  Q: BigUint64Array,
  e: float16Array,
  f: Float32Array,
  d: Float64Array,
};

const LETTERS = new Map(Object.entries(CONSTRUCTORS).flatMap(([letter, kind]) => (kind ? [[kind.name, letter]] : [])));

/** The bytes of a view: what it shows, not what lies around it. Not copied. */
export function bytesOf(view: ArrayBufferView): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}

/** Of its family, whose name a subclass keeps in its tag; undefined for one that JavaScript has added since. */
export function letterOf(array: ArrayBufferView): string | undefined {
  return LETTERS.get(Reflect.get(array, Symbol.toStringTag));
}

/** Every machine that Node runs rayferry on is little-endian. @throws Error for one without a letter */
export function encodeTypedArray(array: ArrayBufferView): Extension {
  const letter = letterOf(array);
  if (letter === undefined) throw new Error(`a ${array.constructor.name} has no form in MessagePack`);
  const data = new Uint8Array(1 + array.byteLength);
  data[0] = letter.charCodeAt(0);
  data.set(bytesOf(array), 1);
  return [TYPED_ARRAY, data];
}

/** @throws Error */
export function decodeTypedArray(data: Uint8Array): ArrayBufferView {
  const letter = String.fromCharCode(data[0] ?? 0);
  // A view must begin at a multiple of its elements' size: a copy does.
  const { buffer } = new Uint8Array(data.subarray(1));
  if (letter === "e" && float16Array === undefined) return widen(buffer);
  const kind = Object.hasOwn(CONSTRUCTORS, letter) ? CONSTRUCTORS[letter] : undefined;
  if (kind === undefined) throw new Error(`an array of elements of an unknown type ${JSON.stringify(letter)}`);
  if (buffer.byteLength % kind.BYTES_PER_ELEMENT !== 0)
    throw new Error(`a ${kind.name} of ${buffer.byteLength} bytes; each element has ${kind.BYTES_PER_ELEMENT}`);
  return new kind(buffer);
}

/** Half floats as the next wider ones, for a Node without Float16Array: the same values. @throws Error */
export function widen(buffer: ArrayBuffer): Float32Array {
  if (buffer.byteLength % 2 !== 0) throw new Error(`a Float16Array of ${buffer.byteLength} bytes; each element has 2`);
  return Float32Array.from(new Uint16Array(buffer), (bits) => {
    const sign = bits & 0x8000 ? -1 : 1;
    const exponent = (bits >> 10) & 0x1f;
    const fraction = bits & 0x3ff;
    if (exponent === 0x1f) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
    if (exponent === 0) return sign * fraction * 2 ** -24;
    return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
  });
}

/** Whether its data has gone to another thread: it would look empty. */
export function isDetached(buffer: ArrayBufferLike): boolean {
  return types.isArrayBuffer(buffer) && buffer.detached;
}
