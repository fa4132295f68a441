import type { Command } from "commander";
import { RayTaskBackend } from "../backend.ts";
import { findDevDatabase } from "../dev/state-file.ts";
import { ConfigurationError } from "../errors.ts";
import { parseJson as parseExactly } from "../payload/json.ts";
import { jsonValue } from "./json-value.ts";

/** Options that every command has. */
export interface CommonOptions {
  readonly databaseUrl?: string;
  readonly schema?: string;
  readonly json?: boolean;
  readonly verbose?: boolean;
}

/** Adds the options that every command has. */
export function withCommonOptions(command: Command): Command {
  return command
    .option("--database-url <url>", "Postgres; default: RAYFERRY_DATABASE_URL, else the `rayferry dev` of this folder")
    .option("--schema <name>", "schema of rayferry's tables (default: rayferry)")
    .option("--json", "one JSON document on stdout, logs on stderr")
    .option("--verbose", "stack traces and debug logs");
}

/** @throws ConfigurationError when no database is named anywhere. */
export function databaseUrlOf(options: CommonOptions): string {
  const url = options.databaseUrl ?? process.env["RAYFERRY_DATABASE_URL"] ?? findDevDatabase(process.cwd());
  if (url !== null && url !== undefined && url !== "") return url;
  throw new ConfigurationError(
    "No database is named. Give --database-url or RAYFERRY_DATABASE_URL, or start `rayferry dev --tasks MODULE` in this folder.",
  );
}

/** Runs `act` with a backend and closes it. */
export async function withBackend<T>(options: CommonOptions, act: (backend: RayTaskBackend) => Promise<T>): Promise<T> {
  const schema = options.schema;
  const backend = new RayTaskBackend({
    databaseUrl: databaseUrlOf(options),
    ...(schema === undefined ? {} : { schema }),
  });
  try {
    return await act(backend);
  } finally {
    await backend.close();
  }
}

/** One JSON document with --json, else the text for people. */
export function print(options: CommonOptions, document: unknown, text: string): void {
  process.stdout.write(options.json === true ? `${JSON.stringify(document, jsonValue)}\n` : `${text}\n`);
}

/** @throws ConfigurationError */
export function parseJson(text: string, option: string): unknown {
  try {
    return parseExactly(text);
  } catch (error) {
    throw new ConfigurationError(
      `${option} isn't JSON: ${error instanceof Error ? error.message : error}. Quote it for the shell: ${option} '{"a": 1}'.`,
    );
  }
}

/** @throws ConfigurationError */
export function parseNumber(text: string, option: string): number {
  const value = Number(text);
  if (text.trim() !== "" && Number.isFinite(value)) return value;
  throw new ConfigurationError(`${option} takes a number, not ${JSON.stringify(text)}.`);
}

/** Options given several times, or separated by commas. */
export function collect(text: string, before: readonly string[] = []): readonly string[] {
  return [
    ...before,
    ...text
      .split(",")
      .map((each) => each.trim())
      .filter((each) => each !== ""),
  ];
}
