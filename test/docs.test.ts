import { existsSync, readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const PAGES = [
  "README.md",
  "CONTRIBUTING.md",
  ...readdirSync(`${ROOT}/docs`, { recursive: true }).map((file) => `docs/${file}`),
].filter((file) => file.endsWith(".md"));

/** In backticks: a path from the root of the checkout to a test. */
const TESTS = /`((?:test|python\/tests)\/[\w/.-]+\.(?:test\.ts|py))`/g;

test.each(PAGES)("%s - every test that it names is there", (page) => {
  const named = [...readFileSync(`${ROOT}/${page}`, "utf8").matchAll(TESTS)].map(([, file]) => String(file));
  expect(named.filter((file) => !existsSync(`${ROOT}/${file}`))).toEqual([]);
});

test("failure-modes.md - each row names a test, or `make test-chaos`", () => {
  const lines = readFileSync(`${ROOT}/docs/failure-modes.md`, "utf8").split("\n");
  const rows = lines.filter((line, index) => line.startsWith("| ") && !lines[index + 1]?.startsWith("|---"));
  expect(rows.length).toBeGreaterThan(50);
  const seenBy = rows.map((row) => row.split("|").at(-2)?.trim() ?? "");
  expect(seenBy.filter((cell) => !/^the same|\.test\.ts`|\.py`|`make test-chaos`/.test(cell))).toEqual([]);
});
