import { ByteSource } from "./byte-source.ts";
import {
  decodeTimestamp,
  decodeWideInteger,
  decodeZonedDate,
  TIMESTAMP,
  TYPED_ARRAY,
  WIDE_INTEGER,
  ZONED_DATE,
} from "./extensions.ts";
import { setMember } from "./plain-object.ts";
import { decodeTypedArray } from "./typed-arrays.ts";

/** Neither side writes deeper ones. */
export const MAX_DEPTH = 200;

/** How to read each extension. */
const EXTENSIONS = new Map<number, (data: Uint8Array) => unknown>([
  [TIMESTAMP, decodeTimestamp],
  [WIDE_INTEGER, decodeWideInteger],
  [TYPED_ARRAY, decodeTypedArray],
  [ZONED_DATE, decodeZonedDate],
]);

/**
 * The value that these bytes say. Integers beyond 2^53 are bigint, a map is an object or, with a key that is no string, a Map; bytes are copies.
 *
 * @throws Error that names the byte, for anything but one whole value of a payload: nothing is guessed, skipped or replaced.
 */
export function readMessagePack(bytes: Uint8Array): unknown {
  const source = new ByteSource(bytes);
  const value = new Reader(source).value(0);
  if (source.left > 0) throw source.malformed(`${source.left} more bytes`);
  return value;
}

class Reader {
  readonly #source: ByteSource;

  constructor(source: ByteSource) {
    this.#source = source;
  }

  value(depth: number): unknown {
    const head = this.#source.uint(1);
    if (head < 0x80) return head;
    if (head >= 0xe0) return head - 0x100;
    if (head < 0x90) return this.#map(head & 0x0f, depth);
    if (head < 0xa0) return this.#array(head & 0x0f, depth);
    if (head < 0xc0) return this.#source.text(head & 0x1f);
    return this.#long(head, depth);
  }

  /** What has its length, or all of its value, in the bytes behind the first. */
  #long(head: number, depth: number): unknown {
    switch (head) {
      case 0xc0:
        return null;
      case 0xc2:
      case 0xc3:
        return head === 0xc3;
      case 0xc4:
      case 0xc5:
      case 0xc6:
        return new Uint8Array(this.#source.take(this.#source.uint(1 << (head - 0xc4))));
      case 0xc7:
      case 0xc8:
      case 0xc9:
        return this.#extension(this.#source.uint(1 << (head - 0xc7)));
      case 0xd4:
      case 0xd5:
      case 0xd6:
      case 0xd7:
      case 0xd8:
        return this.#extension(1 << (head - 0xd4));
      case 0xd9:
      case 0xda:
      case 0xdb:
        return this.#source.text(this.#source.uint(1 << (head - 0xd9)));
      case 0xdc:
      case 0xdd:
        return this.#array(this.#source.uint(head === 0xdc ? 2 : 4), depth);
      case 0xde:
      case 0xdf:
        return this.#map(this.#source.uint(head === 0xde ? 2 : 4), depth);
      default:
        return this.#source.number(head);
    }
  }

  #array(length: number, depth: number): unknown[] {
    this.#checkContainer(length, depth);
    const items: unknown[] = [];
    for (let index = 0; index < length; index += 1) items.push(this.value(depth + 1));
    return items;
  }

  #map(length: number, depth: number): object {
    this.#checkContainer(length * 2, depth);
    const entries: [unknown, unknown][] = [];
    for (let index = 0; index < length; index += 1) entries.push([this.#key(depth), this.value(depth + 1)]);
    if (!entries.every(hasName)) {
      const map = new Map(entries);
      if (map.size !== length) throw this.#source.malformed("a map with the same key twice");
      return map;
    }
    const object: Record<string, unknown> = {};
    for (const [key, item] of entries) setMember(object, key, item);
    if (Object.keys(object).length !== length) throw this.#source.malformed("a map with the same key twice");
    return object;
  }

  #key(depth: number): unknown {
    const key = this.value(depth + 1);
    // A Map finds an object by its identity alone, and -0 becomes 0 in it.
    if ((typeof key === "object" && key !== null) || Number.isNaN(key) || Object.is(key, -0))
      throw this.#source.malformed("a key that is no string, number, boolean or null");
    return key;
  }

  #extension(length: number): unknown {
    const code = this.#source.int8();
    const data = this.#source.take(length);
    const decode = EXTENSIONS.get(code);
    if (decode === undefined) throw this.#source.malformed(`the extension ${code}, which this version doesn't know,`);
    try {
      return decode(data);
    } catch (error) {
      throw this.#source.malformed(error instanceof Error ? error.message : String(error));
    }
  }

  /** What is claimed to follow must fit into what is there, so that four bytes can't ask for four gigabytes. */
  #checkContainer(values: number, depth: number): void {
    if (depth >= MAX_DEPTH) throw this.#source.malformed(`a value nested more than ${MAX_DEPTH} deep`);
    if (values > this.#source.left) throw this.#source.malformed("fewer values than announced");
  }
}

function hasName(entry: readonly [unknown, unknown]): entry is [string, unknown] {
  return typeof entry[0] === "string";
}
