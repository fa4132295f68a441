import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const FOLDER = fileURLToPath(new URL("../../bridge/fixtures", import.meta.url));

export interface FixtureCase {
  readonly note: string;
  readonly direction: "worker" | "server";
  readonly message: unknown;
  readonly bytes: Uint8Array;
}

export interface Fixture {
  readonly name: string;
  readonly cases: readonly FixtureCase[];
}

interface FixtureFile {
  readonly name: string;
  readonly direction: "worker" | "server";
  readonly cases: readonly { note: string; direction?: "worker" | "server"; message: unknown; hex: string }[];
}

/** The golden messages that the Python side reads too. */
export function readFixtures(): Fixture[] {
  const files = readdirSync(FOLDER).filter((each) => each.endsWith(".json"));
  return files.map((file) => {
    const { name, direction, cases } = JSON.parse(readFileSync(join(FOLDER, file), "utf8")) as FixtureFile;
    return {
      name,
      cases: cases.map((each) => ({
        note: each.note,
        direction: each.direction ?? direction,
        message: revive(each.message),
        bytes: new Uint8Array(Buffer.from(each.hex, "hex")),
      })),
    };
  });
}

/** JSON with `{"$bytes": base64}` and `{"$int": "..."}` for what it can't say. */
function revive(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(revive);
  if (value === null || typeof value !== "object") return value;
  if ("$bytes" in value) return new Uint8Array(Buffer.from(String(value.$bytes), "base64"));
  if ("$int" in value) return BigInt(String(value.$int));
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, revive(item)]));
}
