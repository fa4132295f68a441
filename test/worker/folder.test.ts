import { chmodSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { WorkerError } from "../../src/errors.ts";
import { clearFolder, openFolder } from "../../src/worker/folder.ts";

const DATABASE = "localhost:5432/app rayferry";
let base: string;

// Folders are made below TMPDIR: a place of the test's own.
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), "rf-"));
  vi.stubEnv("TMPDIR", base);
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(base, { recursive: true, force: true });
});

const mode = (path: string) => lstatSync(path).mode & 0o777;

test("openFolder - below the user's own folder, for its owner alone", () => {
  const folder = openFolder("w", DATABASE);
  const parent = join(base, `rayferry-${userInfo().uid}`);
  expect(folder).toMatch(new RegExp(`^${parent}/(w-)?[0-9a-f]{8}$`));
  expect([mode(parent), mode(folder)]).toEqual([0o700, 0o700]);
});

test("openFolder - the same for the same name and database, another for any other", () => {
  const folder = openFolder("w", DATABASE);
  writeFileSync(join(folder, "kept"), "");
  expect(openFolder("w", DATABASE)).toBe(folder);
  expect(readdirSync(folder)).toEqual(["kept"]);
  const others = [openFolder("w", "other"), openFolder("v", DATABASE), openFolder(`w${" "}x`, DATABASE)];
  expect(new Set([folder, ...others]).size).toBe(4);
});

test("openFolder - short whatever the name, and long names with the same beginning are apart", () => {
  const [one, other] = ["a", "b"].map((end) => openFolder(`${"n".repeat(62)}${end}`, DATABASE));
  expect(one).not.toBe(other);
  const parent = join(base, `rayferry-${userInfo().uid}`);
  expect(one?.length).toBeLessThanOrEqual(Math.max(45, parent.length + 9));
});

test("openFolder - what others could enter is closed to them", () => {
  const folder = openFolder("w", DATABASE);
  chmodSync(folder, 0o755);
  openFolder("w", DATABASE);
  expect(mode(folder)).toBe(0o700);
});

test("openFolder - a link or a file in its place is refused, not followed", () => {
  const elsewhere = join(base, "elsewhere");
  mkdirSync(elsewhere);
  symlinkSync(elsewhere, join(base, `rayferry-${userInfo().uid}`));
  expect(() => openFolder("w", DATABASE)).toThrow(WorkerError);
  expect(() => openFolder("w", DATABASE)).toThrow(/belongs to somebody else\. Remove it, or set TMPDIR/);
});

test("clearFolder - removes files and folders, keeps what it is told to", () => {
  const folder = openFolder("w", DATABASE);
  mkdirSync(join(folder, "ray", "session"), { recursive: true });
  for (const name of ["lock.sock", "old.sock"]) writeFileSync(join(folder, name), "");
  clearFolder(folder, ["lock.sock"]);
  expect(readdirSync(folder)).toEqual(["lock.sock"]);
});
