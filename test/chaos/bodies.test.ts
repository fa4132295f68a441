import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { temporaryFolder } from "../support/sync-worker.ts";
import { readLives } from "./bodies.ts";

test("bodies - lives by their beginnings; the last word counts, and half a line doesn't", async () => {
  const folder = await temporaryFolder();
  const path = join(folder.path, "bodies");
  expect(await readLives(path)).toEqual([]);
  const begin = { word: "begin", id: "x", attempt: 1, fence: 7, pid: 1 };
  const lines = [
    { ...begin, life: "b", at: 20 },
    { ...begin, life: "a", at: 10 },
    { word: "pulse", life: "a", at: 30 },
    { word: "returned", life: "b", at: 40 },
    { word: "interrupted", life: "b", at: 41 },
    { word: "pulse", life: "of nobody", at: 50 },
  ];
  await writeFile(path, `${lines.map((line) => JSON.stringify(line)).join("\n")}\n{"word":"pulse","li`);
  expect(await readLives(path)).toEqual([
    { id: "x", life: "a", fence: 7, attempt: 1, pid: 1, begin: 10, last: 30, end: null },
    { id: "x", life: "b", fence: 7, attempt: 1, pid: 1, begin: 20, last: 41, end: "interrupted" },
  ]);
  await folder.remove();
});
