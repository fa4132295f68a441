/**
 * What a frame may cost to decode, checked before it is: MessagePack says in 5 bytes that 2^32 values follow, and in 64 MiB fit 67 million empty arrays,
 * for which Node takes 5.9 GB, or dies, before any field is looked at.
 *
 * One pass over the first bytes of the values; strings and bytes are skipped. Beside decodeEnvelope that is 1 % for large payloads, 6 to 15 % for many
 * small messages (0.3 us a result), and 0.5 us for a frame of one.
 */
import { BridgeError } from "../../src/errors.ts";

/** Levels of arrays and maps, the envelope included. */
export const MAX_DEPTH = 32;
/** Values in a frame, with arrays, maps and their keys. 10,000 results with an error each have 340,000. */
export const MAX_VALUES = 1_000_000;

/** @throws BridgeError for a frame that is nested deeper, has more values, or claims more than it has bytes for. */
export function checkNesting(bytes: Uint8Array): void {
  const reader = new Reader(bytes);
  /** Values still to come on each level; on level 0 the frame itself. */
  const open = new Int32Array(MAX_DEPTH + 1);
  open[0] = 1;
  let depth = 0;
  let values = 1;
  while (true) {
    while (open[depth] === 0) {
      if (depth === 0) {
        reader.end();
        return;
      }
      depth -= 1;
    }
    open[depth] = (open[depth] ?? 0) - 1;
    const children = reader.next();
    if (children === 0) continue;
    values += children;
    depth += 1;
    if (depth > MAX_DEPTH) throw new BridgeError(`A frame came that is nested deeper than ${MAX_DEPTH} levels.`);
    if (values > MAX_VALUES) throw new BridgeError(`A frame came that has more than ${MAX_VALUES} values.`);
    open[depth] = children;
  }
}

class Reader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** Moves behind a value, of an array or a map only behind its head: then how many values follow in it. */
  next(): number {
    const first = this.#bytes[this.#at];
    if (first === undefined) throw cutOff();
    this.#at += 1;
    // Small integers; short maps, arrays and strings.
    if (first < 0x80 || first >= 0xe0) return 0;
    if (first < 0x90) return this.#children(2 * (first & 0x0f));
    if (first < 0xa0) return this.#children(first & 0x0f);
    if (first < 0xc0) return this.#skip(first & 0x1f);
    switch (first) {
      case 0xc0: // nil, false, true
      case 0xc2:
      case 0xc3:
        return 0;
      case 0xcc: // integers and floats, by their size
      case 0xd0:
        return this.#skip(1);
      case 0xcd:
      case 0xd1:
        return this.#skip(2);
      case 0xca:
      case 0xce:
      case 0xd2:
        return this.#skip(4);
      case 0xcb:
      case 0xcf:
      case 0xd3:
        return this.#skip(8);
      case 0xc4: // bytes and strings
      case 0xd9:
        return this.#skip(this.#size(1));
      case 0xc5:
      case 0xda:
        return this.#skip(this.#size(2));
      case 0xc6:
      case 0xdb:
        return this.#skip(this.#size(4));
      case 0xdc: // arrays and maps
        return this.#children(this.#size(2));
      case 0xdd:
        return this.#children(this.#size(4));
      case 0xde:
        return this.#children(2 * this.#size(2));
      case 0xdf:
        return this.#children(2 * this.#size(4));
      default:
        // What is left are extension types, and 0xc1, which is nothing.
        throw new BridgeError(`A malformed frame came: 0x${first.toString(16)} begins no value that a frame may have.`);
    }
  }

  end(): void {
    const left = this.#bytes.length - this.#at;
    if (left > 0) throw new BridgeError(`A malformed frame came: ${left} bytes follow its end.`);
  }

  /** The big-endian number of so many bytes. */
  #size(width: 1 | 2 | 4): number {
    const at = this.#at;
    this.#skip(width);
    if (width === 1) return this.#view.getUint8(at);
    return width === 2 ? this.#view.getUint16(at) : this.#view.getUint32(at);
  }

  #skip(count: number): 0 {
    this.#at += count;
    if (this.#at > this.#bytes.length) throw cutOff();
    return 0;
  }

  /** Each takes a byte at least. */
  #children(count: number): number {
    if (count > this.#bytes.length - this.#at) throw cutOff();
    return count;
  }
}

function cutOff(): BridgeError {
  return new BridgeError("A malformed frame came: it ends before the values that it announces.");
}
