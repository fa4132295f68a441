import { expect, test } from "vitest";
import { didYouMean } from "../src/suggest.ts";

const KNOWN = ["queue", "priority", "runAt", "digits.cross_validate"];

test.each([
  ["que", ' Did you mean "queue"?'],
  ["runat", ' Did you mean "runAt"?'],
  ["PRIORITY", ' Did you mean "priority"?'],
  ["digits.crossvalidate", ' Did you mean "digits.cross_validate"?'],
])("didYouMean - %j is near enough", (word, sentence) => {
  expect(didYouMean(word, KNOWN)).toBe(sentence);
});

test.each([["banana"], ["x"], [""]])("didYouMean - nothing for %j, which is near to none", (word) => {
  expect(didYouMean(word, ["priority", "timeout"])).toBe("");
});

test("didYouMean - nothing where nothing is known", () => {
  expect(didYouMean("queue", [])).toBe("");
});
