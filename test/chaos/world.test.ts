import { expect, test } from "vitest";
import { undoAll } from "./world.ts";

test("undo - the last first, each though another failed, and all that failed is told", async () => {
  const done: string[] = [];
  const failing = (name: string) => () => {
    done.push(name);
    throw new Error(`not ${name}`);
  };
  const steps = [() => done.push("a"), failing("b"), async () => failing("c")(), () => done.push("d")];
  await expect(undoAll(steps)).rejects.toThrow("not all was undone: Error: not c; Error: not b");
  expect(done).toEqual(["d", "c", "b", "a"]);
  await expect(undoAll([])).resolves.toBeUndefined();
});
