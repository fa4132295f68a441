import { ZonedDate } from "../../src/index.ts";

/**
 * A value with everything that `toEqual` passes over made visible: the class of a number, of an array and of a Date, the sign of -0, what a ZonedDate
 * adds. Members of objects are sorted, since jsonb sorts them too; those of a Map are not.
 */
export function exact(value: unknown): unknown {
  if (typeof value === "number") return Object.is(value, -0) ? "number -0" : `number ${value}`;
  if (typeof value === "bigint") return `bigint ${value}`;
  if (typeof value !== "object" || value === null) return value;
  if (value instanceof ZonedDate) return `ZonedDate ${value}`;
  if (value instanceof Date) return `Date ${value.toISOString()}`;
  if (Array.isArray(value)) return value.map(exact);
  if (ArrayBuffer.isView(value)) return [value.constructor.name, ...(value as unknown as Iterable<unknown>)].map(exact);
  if (value instanceof Map) return { map: [...value].map(exact) };
  return { members: Object.entries(value).sort(byKey).map(exact) };
}

function byKey([one]: [string, unknown], [other]: [string, unknown]): number {
  return one < other ? -1 : 1;
}
