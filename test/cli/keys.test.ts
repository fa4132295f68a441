/** `rayferry keys`: what it writes, what it says, and that it writes over nothing. */
import { execFile } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterEach, beforeEach, expect, test } from "vitest";
import { readKeyPair, readPublicKey } from "../../bridge/src/keys.ts";
import { findPython } from "../../src/worker/python.ts";
import { cli } from "../support/cli.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
let base: string;
let out: string;

beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), "rf-"));
  out = join(base, "keys");
});
afterEach(() => rmSync(base, { recursive: true, force: true }));

test("keys - both pairs in one go, for their owner alone; says what goes where, and no secret", async () => {
  const run = await cli(["keys", "--out", out]);
  expect(run).toMatchObject({ status: 0, stderr: "" });
  expect(readdirSync(out).sort()).toEqual(["client.key", "client.pub", "server.key", "server.pub"]);
  expect(statSync(out).mode & 0o777).toBe(0o700);
  const secrets = (["server", "client"] as const).map((role) => {
    const pair = readKeyPair(join(out, `${role}.key`), role);
    expect(readPublicKey(join(out, `${role}.pub`), role)).toBe(pair.publicKey);
    return pair.secretKey;
  });
  for (const secret of secrets) expect(run.stdout).not.toContain(secret);
  expect(run.stdout.trim().split("\n")).toEqual([
    `${out}/server.key  secret, for the server alone: python -m rayferry server --keys`,
    `${out}/server.pub  for the workers: rayferry worker --server-key`,
    `${out}/client.key  secret, for the worker alone: rayferry worker --keys`,
    `${out}/client.pub  for the server: python -m rayferry server --clients`,
  ]);
});

test("keys - in the folder rayferry-keys where none is named", async () => {
  await cli(["keys"], { cwd: base });
  expect(readdirSync(join(base, "rayferry-keys"))).toHaveLength(4);
});

test("keys --json - one document", async () => {
  const { stdout } = await cli(["keys", "--out", out, "--json"]);
  const { keys } = JSON.parse(stdout) as { keys: { public_key: string }[] };
  expect(keys.map(({ public_key, ...rest }) => [rest, public_key])).toEqual(
    (["server", "client"] as const).map((role) => [
      { role, name: role, key_file: join(out, `${role}.key`), public_file: join(out, `${role}.pub`) },
      readPublicKey(join(out, `${role}.pub`), role),
    ]),
  );
});

test("keys --name - one more, a client's unless its role is said; a second time nothing is touched", async () => {
  expect((await cli(["keys", "--out", out, "--name", "worker-2"])).status).toBe(0);
  const before = readFileSync(join(out, "worker-2.key"), "utf8");
  readKeyPair(join(out, "worker-2.key"), "client");
  const again = await cli(["keys", "--out", out, "--name", "worker-2"]);
  expect(again.status).toBe(2);
  expect(again.stderr).toContain("worker-2.key is there already, and is left alone");
  expect(readFileSync(join(out, "worker-2.key"), "utf8")).toBe(before);
  await cli(["keys", "--out", out, "--name", "s2", "--role", "server"]);
  readKeyPair(join(out, "s2.key"), "server");
});

test.each([
  [["--name", "../x"], "--name takes 1 to 63"],
  [["--role", "sever"], 'Did you mean "server"?'],
])("keys %j - refused, and nothing is written", async (options, sentence) => {
  const run = await cli(["keys", "--out", out, ...options]);
  expect(run.status).toBe(2);
  expect(run.stderr).toContain(sentence);
  expect(readdirSync(base)).toEqual([]);
});

test("keys - Python reads what Node wrote, and the other way round", async () => {
  await cli(["keys", "--out", out]);
  const read = `
import sys
from pathlib import Path
from rayferry.keys import read_pair, read_public
for role in ("server", "client"):
    print(read_pair(Path(sys.argv[1], role + ".key"), role).secret, read_public(Path(sys.argv[1], role + ".pub"), role))
`;
  const python = (...args: string[]) =>
    promisify(execFile)(findPython(null, ROOT), args, { env: { ...process.env, PYTHONPATH: join(ROOT, "python") } });
  const expected = (["server", "client"] as const).map((role) => {
    const { secretKey, publicKey } = readKeyPair(join(out, `${role}.key`), role);
    return `${secretKey} ${publicKey}\n`;
  });
  expect((await python("-c", read, out)).stdout).toBe(expected.join(""));
  await python("-m", "rayferry", "keys", "--out", out, "--name", "of-python");
  const pair = readKeyPair(join(out, "of-python.key"), "client");
  expect(readPublicKey(join(out, "of-python.pub"), "client")).toBe(pair.publicKey);
});
