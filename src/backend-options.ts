import { ConfigurationError } from "./errors.ts";
import { LARGEST_INPUT_BYTES, MAX_INPUT_BYTES } from "./payload.ts";
import { borrow, connect, type Store } from "./store/connection.ts";
import type { CallerClient } from "./store/queryable.ts";
import { didYouMean } from "./suggest.ts";

export interface BackendOptions {
  /** `postgres://user:password@host:5432/database`. Give this or `client`. Default: the environment's RAYFERRY_DATABASE_URL. */
  readonly databaseUrl?: string;
  /** A postgres.js client or a drizzle database of yours, which stays yours: `close()` leaves it open. */
  readonly client?: CallerClient;
  /** Past a transaction pooler in `databaseUrl`, for notifications alone; default: the environment's RAYFERRY_LISTEN_URL. */
  readonly listenUrl?: string;
  /** The schema of rayferry's tables; default `rayferry`. */
  readonly schema?: string;
  /** Largest input in bytes; default 1 MiB, at most 32 MiB. */
  readonly maxInputBytes?: number;
}

const KNOWN = ["databaseUrl", "client", "listenUrl", "schema", "maxInputBytes"];

/** @throws ConfigurationError when an option isn't known or can't be meant. */
export function checkBackendOptions(options: BackendOptions): void {
  for (const name of Object.keys(options)) {
    if (!KNOWN.includes(name))
      throw new ConfigurationError(`RayTaskBackend has no option "${name}".${didYouMean(name, KNOWN)}`);
  }
}

/** @throws ConfigurationError */
export function openStore(options: BackendOptions): Store {
  if (options.client !== undefined) {
    if (options.databaseUrl !== undefined) throw new ConfigurationError("Give databaseUrl or client, not both.");
    if (options.listenUrl !== undefined)
      throw new ConfigurationError("listenUrl goes with databaseUrl, not with client.");
    return borrow(options.client, options.schema);
  }
  const databaseUrl = options.databaseUrl ?? process.env["RAYFERRY_DATABASE_URL"];
  if (databaseUrl === undefined) {
    throw new ConfigurationError(
      "RayTaskBackend needs { databaseUrl } or { client }, or RAYFERRY_DATABASE_URL in the environment (`rayferry dev` prints it, and sets it for what it runs after --).",
    );
  }
  const listenUrl = options.listenUrl ?? process.env["RAYFERRY_LISTEN_URL"];
  return connect({
    databaseUrl,
    ...(listenUrl ? { listenUrl } : {}),
    ...(options.schema === undefined ? {} : { schema: options.schema }),
  });
}

/** @throws ConfigurationError */
export function checkMaxInput(bytes = MAX_INPUT_BYTES): number {
  if (Number.isInteger(bytes) && bytes > 0 && bytes <= LARGEST_INPUT_BYTES) return bytes;
  throw new ConfigurationError(`maxInputBytes must be a whole number from 1 to ${LARGEST_INPUT_BYTES}, not ${bytes}.`);
}
