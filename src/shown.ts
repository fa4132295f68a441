import { inspect } from "node:util";

const UNSAYABLE: readonly string[] = ["bigint", "function", "symbol", "undefined"];

/** A caller's value in an error message: as JSON where that says it exactly, else as Node shows it (JSON makes null of NaN). */
export function shown(value: unknown): string {
  if (value instanceof Date) return String(value);
  let exact = true;
  try {
    const json = JSON.stringify(value, (_key, each: unknown) => {
      exact &&= !UNSAYABLE.includes(typeof each) && (typeof each !== "number" || Number.isFinite(each));
      return exact ? each : null;
    });
    if (exact) return json;
  } catch {
    // It refers to itself.
  }
  return inspect(value, { depth: 3, breakLength: Number.POSITIVE_INFINITY });
}
