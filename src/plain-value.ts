import { PayloadNotSerializableError } from "./errors.ts";

/** Deeper values are refused: neither side's decoder is to be tried with them. */
const MAX_DEPTH = 200;

/** A copy of a value in JSON's and MessagePack's own types: null, booleans, numbers, bigint, strings, Date, Uint8Array, arrays, plain objects. */
export interface PlainValue {
  readonly plain: unknown;
  /** JSON says it exactly. */
  readonly isJson: boolean;
}

/**
 * Makes a value plain: Map, Set and what has toJSON() become objects and arrays, undefined members go. `name` begins the path in messages.
 *
 * @throws PayloadNotSerializableError with the path of what can't be said; nothing is changed silently.
 */
export function toPlain(value: unknown, name: string): PlainValue {
  const walk = new Walk();
  const plain = walk.visit(value, name, 0);
  return { plain, isJson: walk.isJson };
}

class Walk {
  isJson = true;
  readonly #parents = new Set<object>();

  visit(value: unknown, path: string, depth: number): unknown {
    switch (typeof value) {
      case "string":
        return this.#string(value, path);
      case "boolean":
        return value;
      case "number":
        if (!Number.isFinite(value) || (Number.isInteger(value) && !Number.isSafeInteger(value))) this.isJson = false;
        return value;
      case "bigint":
        this.isJson = false;
        if (value >= -(2n ** 63n) && value < 2n ** 64n) return value;
        throw refuse(path, "a bigint beyond 64 bits", "pass it as a string");
      case "undefined":
        return null;
      case "object":
        return value === null ? null : this.#object(value, path, depth);
      default:
        throw refuse(path, `a ${typeof value}`, "pass data only");
    }
  }

  #object(value: object, path: string, depth: number): unknown {
    if (this.#parents.has(value)) throw refuse(path, "a reference to one of its own parents", "pass a tree");
    if (depth > MAX_DEPTH) throw refuse(path, `nested more than ${MAX_DEPTH} deep`, "flatten it");
    if (value instanceof Date || value instanceof ArrayBuffer || ArrayBuffer.isView(value))
      return this.#binary(value, path);
    this.#parents.add(value);
    try {
      return this.#container(value, path, depth);
    } finally {
      this.#parents.delete(value);
    }
  }

  #binary(value: Date | ArrayBuffer | ArrayBufferView, path: string): unknown {
    this.isJson = false;
    if (value instanceof Date) {
      if (Number.isNaN(value.getTime())) throw refuse(path, "an invalid Date", "pass a valid one or null");
      return value;
    }
    if (value instanceof ArrayBuffer) return new Uint8Array(value);
    if (value instanceof Uint8Array) return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
    throw refuse(path, `a ${value.constructor.name}`, "pass a plain array, or a Uint8Array over its buffer");
  }

  #container(value: object, path: string, depth: number): unknown {
    if (Array.isArray(value)) return value.map((item, index) => this.visit(item, `${path}[${index}]`, depth + 1));
    if (value instanceof Set) return [...value].map((item, index) => this.visit(item, `${path}[${index}]`, depth + 1));
    if (value instanceof Map) {
      const odd = [...value.keys()].find((key) => typeof key !== "string");
      if (odd !== undefined) throw refuse(path, `a Map with a ${typeof odd} as key`, "use strings as keys");
      return this.#members([...value], path, depth);
    }
    if ("toJSON" in value && typeof value.toJSON === "function") return this.visit(value.toJSON(), path, depth + 1);
    // Their data is not in their own properties: they would turn into {}.
    const tag = Object.prototype.toString.call(value).slice(8, -1);
    if (tag !== "Object") throw refuse(path, `a ${tag}`, "pass its data");
    return this.#members(Object.entries(value), path, depth);
  }

  #members(entries: readonly [string, unknown][], path: string, depth: number): unknown {
    const given = entries.filter(([, item]) => item !== undefined);
    return Object.fromEntries(given.map(([key, item]) => [key, this.visit(item, this.#pathOf(key, path), depth + 1)]));
  }

  #pathOf(key: string, path: string): string {
    const at = /^[A-Za-z_$][\w$]*$/.test(key) ? `${path}.${key}` : `${path}[${JSON.stringify(key)}]`;
    this.#string(key, at);
    if (key === "__proto__") throw refuse(at, "a key named __proto__", "rename it");
    return at;
  }

  /** jsonb can't hold NUL; nobody can hold half a surrogate pair. */
  #string(value: string, path: string): string {
    if (!value.isWellFormed()) throw refuse(path, "a string with half a surrogate pair", "call toWellFormed() on it");
    if (value.includes("\0")) this.isJson = false;
    return value;
  }
}

function refuse(path: string, what: string, remedy: string): PayloadNotSerializableError {
  return new PayloadNotSerializableError(`${path} is ${what}, which can't be sent: ${remedy}.`);
}
