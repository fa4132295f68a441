import { readFileSync } from "node:fs";
import { ZonedDate } from "../../src/index.ts";

const FOLDER = new URL("../../bridge/payload-fixtures/", import.meta.url);

export interface PayloadCase {
  readonly note: string;
  readonly value: unknown;
  /** Where one language alone writes it. */
  readonly writer?: "python" | "typescript" | "nobody";
  readonly hex: string;
  readonly json: string;
}

/** The golden payloads that the Python side reads too, with their values as values. */
export function readPayloadFixtures(name: "messagepack" | "json" | "malformed"): PayloadCase[] {
  const { cases } = JSON.parse(readFileSync(new URL(`${name}.json`, FOLDER), "utf8")) as { cases: PayloadCase[] };
  return cases.map((each) => ({ ...each, value: revive(each.value) }));
}

/** JSON with `{$int}`, `{$float}`, ... for what it can't say. */
function revive(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(revive);
  if (value === null || typeof value !== "object") return value;
  if ("$int" in value) return BigInt(String(value.$int));
  if ("$float" in value) return Number(value.$float);
  if ("$bytes" in value) return new Uint8Array(Buffer.from(String(value.$bytes), "hex"));
  if ("$date" in value) return moment(String(value.$date));
  if ("$array" in value) return typedArray(value.$array as [string, unknown[]]);
  if ("$map" in value)
    return new Map((value.$map as [unknown, unknown][]).map(([key, item]) => [revive(key), revive(item)]));
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, revive(item)]));
}

function moment(text: string): Date {
  const zoned = ZonedDate.from(text);
  const isPlain = zoned.zone === null && zoned.offsetSeconds === 0 && zoned.epochMicroseconds % 1000n === 0n;
  return isPlain ? new Date(zoned.getTime()) : zoned;
}

/** A Node without Float16Array reads half floats as the next wider ones. */
function typedArray([name, items]: [string, unknown[]]): ArrayBufferView {
  const kind = Reflect.get(globalThis, name) ?? Float32Array;
  return new kind(items.map(revive));
}
