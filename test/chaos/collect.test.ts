import { tmpdir } from "node:os";
import { expect, test } from "vitest";
import { readLives } from "./bodies.ts";
import { settled } from "./collect.ts";

test("settled - empty once it is gone, and what is left where it isn't", async () => {
  const looks = [["a", "b"], ["b"], []];
  const look = async () => (looks.shift() ?? []).map((line) => ({ line }));
  expect(await settled(look, 10_000)).toEqual([]);
  expect(looks).toEqual([]);
  expect(await settled(async () => [{ line: "a" }], 0)).toEqual(["a"]);
});

test("settled - a look that fails is no look at nothing", async () => {
  const look = () => Promise.reject(new Error("the database is gone"));
  await expect(settled(look, 0)).rejects.toThrow("the database is gone");
});

test("journals - what can't be read is not an empty one", async () => {
  await expect(readLives(tmpdir())).rejects.toThrow("EISDIR");
});
