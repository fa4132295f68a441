import { types } from "node:util";
import { integerOf, leafOf } from "./payload/leaf.ts";
import { checkMapKeys } from "./payload/map-key.ts";
import { Path } from "./payload/path.ts";
import { isLiteral, setMember } from "./payload/plain-object.ts";
import { MAX_DEPTH } from "./payload/reader.ts";

/**
 * A copy of a value in a payload's own types: null, booleans, numbers, bigint, strings, arrays, plain objects, and Date, bytes, typed arrays and Maps
 * that have a key which is no string.
 */
export interface PlainValue {
  readonly plain: unknown;
  /** JSON says it exactly. */
  readonly isJson: boolean;
}

/**
 * Makes a value plain: a Map with strings as keys, a Set and what has toJSON() become objects and arrays, undefined members go. `name` begins the path
 * in messages.
 *
 * @throws PayloadNotSerializableError with the path of what can't be said; nothing is changed silently.
 */
export function toPlain(value: unknown, name: string): PlainValue {
  const walk = new Walk(name);
  const plain = walk.visit(value);
  return { plain, isJson: walk.isJson };
}

/** Of one value; one that has refused is good for nothing more. */
class Walk {
  isJson = true;
  readonly #path: Path;
  readonly #parents = new Set<object>();

  constructor(name: string) {
    this.#path = new Path(name);
  }

  visit(value: unknown): unknown {
    switch (typeof value) {
      case "string":
        return this.#string(value);
      case "number":
        return this.#number(value);
      case "bigint":
        return this.#number(integerOf(value, this.#path));
      case "boolean":
        return value;
      case "undefined":
        return null;
      case "object":
        return value === null ? null : this.#object(value);
      default:
        throw this.#path.refuse(`a ${typeof value}`, "pass data only");
    }
  }

  /** JSON has no NaN and no infinities, jsonb no -0, and an integer beyond 2^53 would be read with other digits, or as another type. */
  #number(value: number | bigint): number | bigint {
    if (typeof value === "bigint" || !Number.isFinite(value) || Object.is(value, -0)) this.isJson = false;
    else if (Number.isInteger(value) && !Number.isSafeInteger(value)) this.isJson = false;
    return value;
  }

  /** jsonb can't hold NUL; nobody can hold half a surrogate pair. */
  #string(value: string): string {
    if (!value.isWellFormed())
      throw this.#path.refuse("a string with half a surrogate pair", "call toWellFormed() on it");
    if (value.includes("\0")) this.isJson = false;
    return value;
  }

  #object(value: object): unknown {
    const leaf = Array.isArray(value) || isLiteral(value) ? undefined : leafOf(value, this.#path);
    if (leaf !== undefined) {
      this.isJson = false;
      return leaf;
    }
    if (this.#parents.has(value)) throw this.#path.refuse("a reference to one of its own parents", "pass a tree");
    if (this.#parents.size >= MAX_DEPTH) throw this.#path.refuse(`nested more than ${MAX_DEPTH} deep`, "flatten it");
    this.#parents.add(value);
    const plain = this.#container(value);
    this.#parents.delete(value);
    return plain;
  }

  #container(value: object): unknown {
    if (Array.isArray(value)) return this.#items(value);
    if (types.isSet(value)) return this.#items([...value]);
    if (types.isMap(value)) return this.#map(value);
    if ("toJSON" in value && typeof value.toJSON === "function") return this.visit(value.toJSON());
    // Their data is not in their own properties: they would turn into {}.
    const tag = isLiteral(value) ? "Object" : Object.prototype.toString.call(value).slice(8, -1);
    if (tag !== "Object") throw this.#path.refuse(`a ${tag}`, "pass its data");
    return this.#members(Object.entries(value));
  }

  #items(items: readonly unknown[]): unknown[] {
    const plain: unknown[] = [];
    for (const [index, item] of items.entries()) plain.push(this.#inside(index, item));
    return plain;
  }

  #members(entries: readonly [string, unknown][]): Record<string, unknown> {
    const plain: Record<string, unknown> = {};
    for (const [key, item] of entries) if (item !== undefined) setMember(plain, key, this.#inside(key, item));
    return plain;
  }

  #map(map: ReadonlyMap<unknown, unknown>): unknown {
    const entries = [...map];
    if (entries.every((entry): entry is [string, unknown] => typeof entry[0] === "string"))
      return this.#members(entries);
    checkMapKeys(map.keys(), this.#path);
    this.isJson = false;
    const given = entries.filter(([, item]) => item !== undefined);
    return new Map(given.map(([key, item]) => [key, this.#inside(key, item)]));
  }

  #inside(step: unknown, value: unknown): unknown {
    this.#path.enter(step);
    if (typeof step === "string") this.#string(step);
    const plain = this.visit(value);
    this.#path.leave();
    return plain;
  }
}
