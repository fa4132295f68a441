/** The server that a worker off the cluster connects to, instead of starting a sidecar: its address and its keys. */
import { existsSync } from "node:fs";
import { type CurveOptions, isKey, readKeyPair, readPublicKey } from "../bridge/src/index.ts";
import { ConfigurationError } from "./errors.ts";

export interface ServerAddressOptions {
  /** `tcp://host:port`, or `ipc:///path` of one on this machine. */
  readonly server?: string;
  /** This worker's own `.key` file. */
  readonly keys?: string;
  /** The server's `.pub` file, or its public key itself. */
  readonly serverKey?: string;
  /** tcp beyond this machine without keys: whoever reaches the server may run any task; default false. */
  readonly plainTcp?: boolean;
}

export interface ServerAddress {
  readonly endpoint: string;
  /** Null: without CURVE. */
  readonly curve: CurveOptions | null;
}

const MAX_PORT = 65_535;
/** The kernel's limit for a unix socket's path. */
const MAX_PATH_BYTES = 107;

/** The options, and what RAYFERRY_SERVER, RAYFERRY_KEYS and RAYFERRY_SERVER_KEY say where they don't. */
export function withEnvironment(
  options: ServerAddressOptions,
  env: NodeJS.ProcessEnv = process.env,
): ServerAddressOptions {
  const server = given(options.server) ?? given(env["RAYFERRY_SERVER"]);
  // Without a server, keys in the environment are for another process.
  if (server === null) return options;
  const keys = given(options.keys) ?? given(env["RAYFERRY_KEYS"]);
  const serverKey = given(options.serverKey) ?? given(env["RAYFERRY_SERVER_KEY"]);
  const isIpc = server.startsWith("ipc://");
  return {
    ...options,
    server,
    ...(keys === null || isIpc ? {} : { keys }),
    ...(serverKey === null || isIpc ? {} : { serverKey }),
  };
}

/**
 * Null where no server is named: the worker starts a sidecar.
 *
 * @throws ConfigurationError for a bad address, or keys that don't go with it. @throws KeyFileError for a key file.
 */
export function checkServerAddress(options: ServerAddressOptions): ServerAddress | null {
  const endpoint = given(options.server);
  if (endpoint === null) {
    for (const name of ["keys", "serverKey"] as const)
      if (given(options[name]) !== null)
        throw new ConfigurationError(`${OPTION[name]} goes with --server tcp://HOST:PORT, which isn't there.`);
    if (options.plainTcp === true)
      throw new ConfigurationError("--plain-tcp goes with --server tcp://HOST:PORT, which isn't there.");
    return null;
  }
  if (endpoint.startsWith("ipc://")) return { endpoint: checkIpc(endpoint, options), curve: null };
  const host = checkTcp(endpoint);
  const keys = given(options.keys);
  const serverKey = given(options.serverKey);
  if (keys !== null && serverKey !== null) {
    if (options.plainTcp === true)
      throw new ConfigurationError("--plain-tcp means without keys: leave out either it or --keys and --server-key.");
    return { endpoint, curve: { ...readKeyPair(keys, "client"), serverKey: toServerKey(serverKey) } };
  }
  if (keys !== null || serverKey !== null)
    throw new ConfigurationError(
      "--keys (this worker's own .key file) and --server-key (the server's .pub file) go together.",
    );
  if (options.plainTcp !== true && !isLoopback(host))
    throw new ConfigurationError(
      `${endpoint} is on another machine, and without keys anybody in between may read and change what goes there. Make keys with \`rayferry keys\` and give --keys and --server-key, or say --plain-tcp (insecure) if the network keeps everybody else out.`,
    );
  return { endpoint, curve: null };
}

const OPTION = { keys: "--keys", serverKey: "--server-key" } as const;

function given(value: string | undefined): string | null {
  return value === undefined || value === "" ? null : value;
}

function checkIpc(endpoint: string, options: ServerAddressOptions): string {
  const path = endpoint.slice("ipc://".length);
  if (!path.startsWith("/") || Buffer.byteLength(path) > MAX_PATH_BYTES)
    throw new ConfigurationError(
      `--server takes ipc:// and an absolute path of at most ${MAX_PATH_BYTES} bytes, or tcp://HOST:PORT, not ${JSON.stringify(endpoint)}.`,
    );
  if (given(options.keys) !== null || given(options.serverKey) !== null)
    throw new ConfigurationError("An ipc:// server is protected by its folder: leave out --keys and --server-key.");
  return endpoint;
}

/** The host, without the brackets of an IPv6 address. */
function checkTcp(endpoint: string): string {
  const found = /^tcp:\/\/(?:\[([0-9A-Fa-f:.]+)\]|([^\s/:[\]*]+)):(\d{1,5})$/.exec(endpoint);
  const port = Number(found?.[3] ?? 0);
  const host = found?.[1] ?? found?.[2];
  if (host !== undefined && port >= 1 && port <= MAX_PORT) return host;
  throw new ConfigurationError(
    `--server takes tcp://HOST:PORT, like tcp://10.0.0.5:6390 or tcp://[fd00::5]:6390, not ${JSON.stringify(endpoint)}.`,
  );
}

/** A name other than localhost may mean any machine. */
function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127\.\d+\.\d+\.\d+$/.test(host);
}

/** The letters of z85 have `/`, `.` and `-` among them: a path of 40 characters may look like a key. */
function toServerKey(keyOrFile: string): string {
  const isFile = !isKey(keyOrFile) || /\.(pub|key)$/.test(keyOrFile) || existsSync(keyOrFile);
  return isFile ? readPublicKey(keyOrFile, "server") : keyOrFile;
}
