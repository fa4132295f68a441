// Not "drizzle-orm": its index takes 250 ms to import, and every command would pay for it.
import { type SQL, sql } from "drizzle-orm/sql";
import { ConfigurationError } from "../errors.ts";

/**
 * What a statement needs of a connection. Parameters are text and are cast in the statement (`$1::text::jsonb`), because the drivers disagree
 * on everything else: postgres.js would encode an object for a jsonb parameter a second time, drizzle turns dates into strings.
 */
export interface Queryable {
  query(text: string, params: readonly (string | null)[]): Promise<readonly Record<string, unknown>[]>;
}

/** A postgres.js client or transaction, as far as rayferry uses it. */
export interface PostgresJsClient {
  unsafe(text: string, params?: unknown[], options?: { prepare?: boolean }): PromiseLike<unknown>;
}

/** A drizzle database or transaction on any Postgres driver, as far as rayferry uses it. */
export interface DrizzleClient {
  execute(query: SQL): PromiseLike<unknown>;
}

/** What `client` and `tx` accept. */
export type CallerClient = PostgresJsClient | DrizzleClient;

/**
 * One interface over the caller's client or transaction.
 *
 * @throws ConfigurationError when it is neither a postgres.js nor a drizzle one, or as a `tx` no transaction.
 */
export function toQueryable(client: CallerClient, option = "client"): Queryable {
  const given: unknown = client;
  if (option === "tx" && isPool(given))
    throw new ConfigurationError(
      "tx is a client, not a transaction: what is written by it would stay when your transaction rolls back. Pass the argument of `sql.begin(async (tx) => ...)` or `db.transaction(async (tx) => ...)`, or leave tx out.",
    );
  if (hasMethod(given, "unsafe")) return fromPostgresJs(client as PostgresJsClient);
  if (hasMethod(given, "execute")) return fromDrizzle(client as DrizzleClient);
  throw new ConfigurationError(
    `${option} must be a postgres.js client or transaction (with \`unsafe\`), or a drizzle database or transaction (with \`execute\`).`,
  );
}

/** postgres.js' client, a pool of node-postgres, or a drizzle database on one of them: each statement may take another connection. */
function isPool(value: unknown): boolean {
  if (value === null || (typeof value !== "object" && typeof value !== "function")) return false;
  return hasMethod(value, "begin") || "totalCount" in value || ("$client" in value && isPool(value.$client));
}

function hasMethod(value: unknown, name: string): boolean {
  if (value === null || (typeof value !== "object" && typeof value !== "function")) return false;
  return typeof Reflect.get(value, name) === "function";
}

function fromPostgresJs(client: PostgresJsClient): Queryable {
  return {
    query: async (text, params) =>
      (await client.unsafe(text, [...params], { prepare: true })) as Record<string, unknown>[],
  };
}

function fromDrizzle(client: DrizzleClient): Queryable {
  return {
    async query(text, params) {
      const answer = await client.execute(toDrizzle(text, params));
      // node-postgres answers { rows }, postgres.js an array.
      const rows = Array.isArray(answer) ? answer : (answer as { rows: unknown }).rows;
      return rows as Record<string, unknown>[];
    },
  };
}

/** `$1` placeholders as drizzle parameters. */
function toDrizzle(text: string, params: readonly (string | null)[]): SQL {
  const pieces = text.split(/\$(\d+)/);
  return sql.join(
    pieces.map((piece, index) => (index % 2 === 0 ? sql.raw(piece) : sql.param(params[Number(piece) - 1] ?? null))),
  );
}

/** Rows of a statement that answers one column `row` of JSON text: the same in every driver. One that is null is none. */
export async function queryRows<Row>(on: Queryable, text: string, params: readonly (string | null)[]): Promise<Row[]> {
  const rows = await on.query(text, params);
  return rows.flatMap(({ row }) => (row === null ? [] : [JSON.parse(String(row)) as Row]));
}
