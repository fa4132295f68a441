/**
 * CURVE keys in files (docs/security.md): `NAME.key` holds a pair and is its owner's secret, `NAME.pub` its public half.
 *
 *     {"rayferry_key": "server", "name": "server", "public": "<z85>", "secret": "<z85>"}
 *
 * The first field is the role, so that the files of the two sides can't be mixed up. Python reads the same files (rayferry/keys.py).
 */
import { closeSync, existsSync, fstatSync, mkdirSync, openSync, readSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { KeyFileError } from "../../src/errors.ts";

export const KEY_ROLES = ["server", "client"] as const;
export type KeyRole = (typeof KEY_ROLES)[number];

/** Both halves in z85. */
export interface KeyPair {
  readonly publicKey: string;
  readonly secretKey: string;
}

/** What a worker needs to connect with CURVE: its own pair, and the server's public key. Another server is refused. */
export interface CurveOptions extends KeyPair {
  readonly serverKey: string;
}

interface KeyFile {
  readonly role: KeyRole;
  readonly public: string;
  /** Null in a `.pub` file. */
  readonly secret: string | null;
  readonly mode: number;
}

/** 32 bytes in z85, which has no quote, backslash, comma or space. */
const Z85_KEY = /^[0-9A-Za-z.\-:+=^!/*?&<>()[\]{}@%$#]{40}$/;
/** No key file is larger; something else that was named by mistake isn't read whole. */
const MAX_FILE_BYTES = 4096;

export function isKey(value: unknown): value is string {
  return typeof value === "string" && Z85_KEY.test(value);
}

/** How sentences and logs name a key. */
export function fingerprint(publicKey: string): string {
  return publicKey.slice(0, 8);
}

/** The pair that this side proves itself with. @throws KeyFileError */
export function readKeyPair(path: string, role: KeyRole): KeyPair {
  const file = readKeyFile(path, role);
  if (file.secret === null)
    throw new KeyFileError(
      "NOT_SECRET",
      `${path} holds the public half of a ${role} key, and the secret is needed here. Name the .key file that was made with it.`,
    );
  if ((file.mode & 0o077) !== 0)
    throw new KeyFileError(
      "OPEN",
      `Other users may read the secret in ${path} (mode ${file.mode.toString(8).padStart(4, "0")}). Close it: chmod 600 ${path}. If anybody may have read it, make new keys.`,
    );
  return { publicKey: file.public, secretKey: file.secret };
}

/** The public key by which this side knows the other. @throws KeyFileError */
export function readPublicKey(path: string, role: KeyRole): string {
  const file = readKeyFile(path, role);
  if (file.secret !== null)
    throw new KeyFileError(
      "SECRET",
      `${path} holds the ${role}'s secret, which belongs on the ${role}'s machine alone; here its public half is needed. Name the .pub file that was made with it.`,
    );
  return file.public;
}

/**
 * Writes `NAME.key` (mode 0600) and `NAME.pub`.
 *
 * @throws KeyFileError rather than write over a file.
 */
export function writeKeyPair(
  folder: string,
  role: KeyRole,
  name: string,
  pair: KeyPair,
): { readonly keyFile: string; readonly publicFile: string } {
  const keyFile = join(folder, `${name}.key`);
  const publicFile = join(folder, `${name}.pub`);
  for (const path of [keyFile, publicFile])
    if (existsSync(path))
      throw new KeyFileError("EXISTS", `${path} is there already, and is left alone. Give another --name or --out.`);
  const fields = { rayferry_key: role, name, public: pair.publicKey };
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    // "wx": not through a link, and not over what came meanwhile.
    write(keyFile, { ...fields, secret: pair.secretKey }, 0o600);
    write(publicFile, fields, 0o644);
  } catch (error) {
    throw new KeyFileError("UNWRITABLE", `No key can be written into ${folder}: ${error}`, { cause: error });
  }
  return { keyFile, publicFile };
}

function write(path: string, content: object, mode: number): void {
  writeFileSync(path, `${JSON.stringify(content, null, 2)}\n`, { flag: "wx", mode });
}

function readKeyFile(path: string, role: KeyRole): KeyFile {
  const { text, mode } = read(path);
  const file = parse(text, mode);
  if (file === null)
    throw new KeyFileError(
      "MALFORMED",
      `${path} isn't a key file of rayferry: JSON with rayferry_key (server or client), name, public and, in a .key file, secret, each key 40 characters of z85. Make keys with: rayferry keys`,
    );
  if (file.role !== role)
    throw new KeyFileError(
      "WRONG_ROLE",
      `${path} is a ${file.role}'s key, and a ${role}'s is needed here: two files are mixed up.`,
    );
  return file;
}

function read(path: string): { readonly text: string; readonly mode: number } {
  let descriptor: number;
  try {
    descriptor = openSync(path, "r");
  } catch (error) {
    throw unreadable(path, error);
  }
  try {
    const buffer = Buffer.alloc(MAX_FILE_BYTES + 1);
    const length = readSync(descriptor, buffer);
    // Of the file that was read, not of one that has taken its name since.
    return { text: buffer.toString("utf8", 0, length), mode: fstatSync(descriptor).mode & 0o7777 };
  } catch (error) {
    throw unreadable(path, error);
  } finally {
    closeSync(descriptor);
  }
}

function unreadable(path: string, error: unknown): KeyFileError {
  const code = error instanceof Error && "code" in error ? error.code : null;
  if (code === "ENOENT")
    return new KeyFileError("MISSING", `There is no key file ${path}. Make keys with: rayferry keys`, { cause: error });
  return new KeyFileError("UNREADABLE", `The key file ${path} can't be read (${code}).`, { cause: error });
}

function parse(text: string, mode: number): KeyFile | null {
  let found: unknown;
  try {
    found = JSON.parse(text);
  } catch {
    return null;
  }
  if (typeof found !== "object" || found === null) return null;
  const { rayferry_key, name, public: publicKey, secret } = found as Record<string, unknown>;
  const role = KEY_ROLES.find((each) => each === rayferry_key);
  if (role === undefined || typeof name !== "string" || !isKey(publicKey)) return null;
  if (secret !== undefined && !isKey(secret)) return null;
  return { role, public: publicKey, secret: secret ?? null, mode };
}
