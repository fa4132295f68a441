/** For JSON.stringify: what JSON has no word for. Numbers it can't say as strings, bytes as base64, a Map as its entries, typed arrays as arrays. */
export function jsonValue(_key: string, value: unknown): unknown {
  if (typeof value === "bigint") return value.toString();
  if (typeof value === "number" && !Number.isFinite(value)) return String(value);
  if (value instanceof Uint8Array) return { base64: Buffer.from(value).toString("base64") };
  if (ArrayBuffer.isView(value)) return [...(value as unknown as Iterable<unknown>)];
  return value instanceof Map ? { entries: [...value] } : value;
}
