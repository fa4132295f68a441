/** Key files: what is read, and what is refused with which sentence. Python's half is python/tests/test_keys.py. */
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { fingerprint, isKey, readKeyPair, readPublicKey, writeKeyPair } from "../../bridge/src/keys.ts";
import { makeKeyPair } from "../../bridge/src/socket.ts";
import { ConfigurationError, KeyFileError } from "../../src/errors.ts";

const PAIR = makeKeyPair();
let folder: string;
const at = (name: string) => join(folder, name);

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "rf-"));
  writeKeyPair(folder, "server", "server", PAIR);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function reason(read: () => unknown): string {
  try {
    read();
  } catch (error) {
    expect(error).toBeInstanceOf(KeyFileError);
    expect(error).toBeInstanceOf(ConfigurationError);
    expect((error as KeyFileError).message).toContain(folder);
    return (error as KeyFileError).reason;
  }
  return expect.fail("nothing was thrown");
}

test("writeKeyPair - what it writes is read, and the secret is its owner's alone", () => {
  expect(readKeyPair(at("server.key"), "server")).toEqual(PAIR);
  expect(readPublicKey(at("server.pub"), "server")).toBe(PAIR.publicKey);
  expect(statSync(at("server.key")).mode & 0o777).toBe(0o600);
  expect(readFileSync(at("server.pub"), "utf8")).not.toContain(PAIR.secretKey);
});

test("writeKeyPair - over nothing, not even through a link that leads nowhere", () => {
  const before = readFileSync(at("server.key"), "utf8");
  expect(reason(() => writeKeyPair(folder, "server", "server", makeKeyPair()))).toBe("EXISTS");
  expect(readFileSync(at("server.key"), "utf8")).toBe(before);
  symlinkSync(at("elsewhere"), at("linked.key"));
  expect(reason(() => writeKeyPair(folder, "client", "linked", makeKeyPair()))).toBe("UNWRITABLE");
});

test("halves and roles that are mixed up", () => {
  writeKeyPair(folder, "client", "client", makeKeyPair());
  expect(reason(() => readKeyPair(at("server.pub"), "server"))).toBe("NOT_SECRET");
  expect(reason(() => readPublicKey(at("server.key"), "server"))).toBe("SECRET");
  expect(reason(() => readKeyPair(at("server.key"), "client"))).toBe("WRONG_ROLE");
  expect(reason(() => readPublicKey(at("client.pub"), "server"))).toBe("WRONG_ROLE");
});

test.each([0o640, 0o604, 0o660, 0o610])("a secret that others may read, mode %o", (mode) => {
  chmodSync(at("server.key"), mode);
  expect(() => readKeyPair(at("server.key"), "server")).toThrow(`chmod 600 ${at("server.key")}`);
  expect(reason(() => readKeyPair(at("server.key"), "server"))).toBe("OPEN");
  chmodSync(at("server.key"), 0o400);
  expect(readKeyPair(at("server.key"), "server")).toEqual(PAIR);
});

test("a file that is missing, or no file", () => {
  expect(reason(() => readKeyPair(at("no.key"), "server"))).toBe("MISSING");
  expect(reason(() => readPublicKey(folder, "server"))).toBe("UNREADABLE");
});

test.each<[object]>([
  [{ rayferry_key: "both" }],
  [{ rayferry_key: ["server"] }],
  [{ name: null }],
  [{ public: "short" }],
  [{ public: "é".repeat(40) }],
  [{ public: `${"x".repeat(39)}\n` }],
  [{ secret: 5 }],
  [{ secret: "" }],
  [{ secret: null }],
  [{ padding: "x".repeat(4096) }],
])("a file that is malformed: %j", (change) => {
  writeFileSync(at("server.key"), JSON.stringify({ ...JSON.parse(readFileSync(at("server.key"), "utf8")), ...change }));
  expect(reason(() => readKeyPair(at("server.key"), "server"))).toBe("MALFORMED");
});

test.each(["", "[]", "null", "[".repeat(4000), "\xff\xfe"])("a file that is something else: %j", (content) => {
  writeFileSync(at("server.pub"), content, "latin1");
  expect(reason(() => readPublicKey(at("server.pub"), "server"))).toBe("MALFORMED");
});

test("isKey, fingerprint", () => {
  expect([PAIR.publicKey, `${PAIR.publicKey}x`, "", null, "~".repeat(40)].map(isKey)).toEqual([
    true,
    false,
    false,
    false,
    false,
  ]);
  expect(fingerprint(PAIR.publicKey)).toBe(PAIR.publicKey.slice(0, 8));
});
