import { numberIfExact } from "./extensions.ts";
import type { Path } from "./path.ts";

/**
 * The keys of a Map as Python's dict will tell them apart: there 1, 1n and true are one key.
 *
 * @throws PayloadNotSerializableError for a second one, and for what is no key in both languages
 */
export function checkMapKeys(keys: Iterable<unknown>, path: Path): void {
  const seen = new Set<unknown>();
  for (const key of keys) {
    const same = inPython(key, path);
    if (seen.has(same))
      throw path.refuse(`a Map with ${shown(key)} and another key that Python takes for the same`, "rename one");
    seen.add(same);
  }
}

function inPython(key: unknown, path: Path): unknown {
  if (key === null || typeof key === "string") return key;
  if (typeof key === "boolean") return Number(key);
  if (typeof key === "bigint") return bigintInPython(key, path);
  if (typeof key !== "number")
    throw path.refuse(`a Map with ${shown(key)} as key`, "use strings, numbers, booleans or null as keys");
  if (Number.isNaN(key)) throw path.refuse("a Map with NaN as key", "rename it: in Python it equals nothing");
  return Number.isInteger(key) && !Number.isSafeInteger(key) ? BigInt(key) : key;
}

function bigintInPython(key: bigint, path: Path): unknown {
  if (key < -(2n ** 63n) || key >= 2n ** 64n)
    throw path.refuse("a Map with a bigint beyond 64 bits as key", "use a string");
  return numberIfExact(key);
}

function shown(key: unknown): string {
  if (typeof key === "symbol" || typeof key === "function" || key === undefined) return `a ${typeof key}`;
  if (typeof key === "object" && key !== null) return `a ${key.constructor?.name ?? "object"}`;
  return typeof key === "bigint" ? `${key}n` : JSON.stringify(key);
}
