import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { PACKAGE_ROOT } from "../../src/package.ts";
import { findPython } from "../../src/worker/python.ts";

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "rayferry-python-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function makeEnvironment(name: string): string {
  const path = join(folder, name, "bin", "python");
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, "");
  return path;
}

test("findPython - what was asked for, then RAYFERRY_PYTHON, whatever else is there", () => {
  makeEnvironment(".venv");
  expect(findPython("/asked", folder, { RAYFERRY_PYTHON: "/env" })).toBe("/asked");
  expect(findPython(null, folder, { RAYFERRY_PYTHON: "/env" })).toBe("/env");
});

test("findPython - the active environment, then .venv, then venv of the folder", () => {
  const [active, hidden, plain] = [makeEnvironment("active"), makeEnvironment(".venv"), makeEnvironment("venv")];
  const env = { VIRTUAL_ENV: join(folder, "active"), RAYFERRY_PYTHON: "" };
  expect(findPython(null, folder, env)).toBe(active);
  expect(findPython(null, folder, { VIRTUAL_ENV: join(folder, "gone") })).toBe(hidden);
  expect(findPython(null, folder, { VIRTUAL_ENV: "" })).toBe(hidden);
  rmSync(join(folder, ".venv"), { recursive: true });
  expect(findPython(null, folder, {})).toBe(plain);
});

test("findPython - without any of these the checkout's own, or python3", () => {
  const own = join(PACKAGE_ROOT, ".venv", "bin", "python");
  expect(findPython(null, folder, {})).toBe(existsSync(own) ? own : "python3");
});
