import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { makeKeyPair, writeKeyPair } from "../bridge/src/index.ts";
import { ConfigurationError, KeyFileError } from "../src/errors.ts";
import { checkServerAddress, type ServerAddressOptions, withEnvironment } from "../src/server-address.ts";

const SERVER = makeKeyPair();
const CLIENT = makeKeyPair();
const FAR = "tcp://10.0.0.5:6390";
const CURVE = { serverKey: SERVER.publicKey, ...CLIENT };
let folder: string;
let keys: string;
let serverKey: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "rf-"));
  ({ keyFile: keys } = writeKeyPair(folder, "client", "client", CLIENT));
  ({ publicFile: serverKey } = writeKeyPair(folder, "server", "server", SERVER));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const check = (options: ServerAddressOptions, env: NodeJS.ProcessEnv = {}) =>
  checkServerAddress(withEnvironment(options, env));

describe("checkServerAddress", () => {
  test("no server named - null: the worker starts a sidecar, whatever keys the environment has", () => {
    expect(check({})).toBeNull();
    expect(check({ server: "" }, { RAYFERRY_KEYS: keys })).toBeNull();
  });

  test("with keys - in files, or the server's by itself", () => {
    expect(check({ server: FAR, keys, serverKey })).toEqual({ endpoint: FAR, curve: CURVE });
    expect(check({ server: FAR, keys, serverKey: SERVER.publicKey })).toEqual({ endpoint: FAR, curve: CURVE });
  });

  test("the environment says the same, and options come first", () => {
    const env = { RAYFERRY_SERVER: FAR, RAYFERRY_KEYS: keys, RAYFERRY_SERVER_KEY: "/no/such.pub" };
    expect(check({ serverKey }, env)).toEqual({ endpoint: FAR, curve: CURVE });
    expect(() => check({}, env)).toThrow(KeyFileError);
  });

  test("an ipc server - doesn't mind keys that the environment has for another process", () => {
    const env = { RAYFERRY_SERVER: "ipc:///run/s", RAYFERRY_KEYS: keys, RAYFERRY_SERVER_KEY: serverKey };
    expect(check({}, env)).toEqual({ endpoint: "ipc:///run/s", curve: null });
  });

  test.each(["tcp://127.0.0.1:1", "tcp://127.3.2.1:65535", "tcp://localhost:6390", "tcp://[::1]:6390", "ipc:///run/s"])(
    "%s - needs no keys",
    (server) => {
      expect(check({ server })).toEqual({ endpoint: server, curve: null });
    },
  );

  test.each([
    FAR,
    "tcp://[fd00::5]:6390",
    "tcp://ray-head:6390",
    "tcp://127.0.0.1.example.com:1",
    "tcp://localhost.:1",
  ])("%s without keys - refused unless asked for by name", (server) => {
    expect(() => check({ server })).toThrow(ConfigurationError);
    expect(() => check({ server })).toThrow("--plain-tcp (insecure)");
    expect(check({ server, plainTcp: true })).toEqual({ endpoint: server, curve: null });
  });

  test.each<[ServerAddressOptions, string]>([
    [{ server: "10.0.0.5:6390" }, "--server takes tcp://HOST:PORT"],
    [{ server: "tcp://10.0.0.5" }, "--server takes tcp://HOST:PORT"],
    [{ server: "tcp://10.0.0.5:0" }, "--server takes tcp://HOST:PORT"],
    [{ server: "tcp://10.0.0.5:65536" }, "--server takes tcp://HOST:PORT"],
    [{ server: "tcp://*:6390" }, "--server takes tcp://HOST:PORT"],
    [{ server: "ipc://relative" }, "an absolute path"],
    [{ server: `ipc:///${"x".repeat(107)}` }, "at most 107 bytes"],
    [{ server: "ipc:///run/s", keys: "k" }, "protected by its folder"],
    [{ keys: "k" }, "--keys goes with --server"],
    [{ serverKey: "k" }, "--server-key goes with --server"],
    [{ plainTcp: true }, "--plain-tcp goes with --server"],
    [{ server: FAR, keys: "k" }, "go together"],
    [{ server: FAR, serverKey: "k" }, "go together"],
    [{ server: FAR, keys: "k", serverKey: "k", plainTcp: true }, "--plain-tcp means without keys"],
  ])("%j - refused", (options, sentence) => {
    expect(() => check(options)).toThrow(ConfigurationError);
    expect(() => check(options)).toThrow(sentence);
  });

  test("files that are mixed up - the sentence says which", () => {
    expect(() => check({ server: FAR, keys: serverKey, serverKey })).toThrow("is a server's key, and a client's");
    expect(() => check({ server: FAR, keys, serverKey: keys })).toThrow("is a client's key, and a server's");
  });

  test("a path of 40 characters - a file, not a key", () => {
    const path = `/no/${"x".repeat(32)}.pub`;
    expect(path).toHaveLength(40);
    expect(() => check({ server: FAR, keys, serverKey: path })).toThrow("There is no key file");
  });
});
