import { expect, test } from "vitest";
import { HeldAttempts } from "../../src/worker/held.ts";
import { PLAIN_TERMS } from "../support/terms.ts";

test("HeldAttempts - found by execution and fence together", () => {
  const held = new HeldAttempts();
  held.add("a", 1, "t", PLAIN_TERMS);
  expect(held.find("a", 1)).toEqual({
    id: "a",
    fence: 1,
    task: "t",
    terms: PLAIN_TERMS,
    cancelling: false,
    started: false,
    leased: false,
  });
  expect(held.find("a", 2)).toBeNull();
  expect(held.find("b", 1)).toBeNull();
  expect(held.all()).toHaveLength(1);
});

test("HeldAttempts - a late drop of an older fence leaves the newer attempt", () => {
  const held = new HeldAttempts();
  held.add("a", 1, "t", PLAIN_TERMS);
  held.add("a", 2, "t", PLAIN_TERMS);
  held.drop("a", 1);
  expect(held.size).toBe(1);
  held.drop("a", 2);
  held.drop("a", 2);
  expect(held.size).toBe(0);
});

test("HeldAttempts - emptyWithin() ends with the last one, at once when there is none", async () => {
  const held = new HeldAttempts();
  expect(await held.emptyWithin(0)).toBe(true);
  held.add("a", 1, "t", PLAIN_TERMS);
  held.add("b", 2, "t", PLAIN_TERMS);
  const empty = held.emptyWithin(60_000);
  held.drop("a", 1);
  held.drop("b", 2);
  expect(await empty).toBe(true);
});

test("HeldAttempts - emptyWithin() says so when the time is over first", async () => {
  const held = new HeldAttempts();
  held.add("a", 1, "t", PLAIN_TERMS);
  expect(await held.emptyWithin(5)).toBe(false);
});
