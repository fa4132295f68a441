import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { HeldAttempts } from "../../src/worker/held.ts";
import { PLAIN_TERMS } from "../support/terms.ts";

test("HeldAttempts - found by execution and fence together", () => {
  const held = new HeldAttempts();
  held.add("a", 1, "t", PLAIN_TERMS);
  const attempt = { id: "a", fence: 1, task: "t", terms: PLAIN_TERMS, phase: "SUBMITTED", leased: false };
  expect(held.find("a", 1)).toMatchObject({ ...attempt, cancelling: false, started: false });
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

test("HeldAttempts - counts by phase; what has begun is started", () => {
  const held = new HeldAttempts();
  for (const id of ["a", "b", "c", "d"]) held.add(id, 1, "t", PLAIN_TERMS);
  const [a, b] = held.all();
  if (a === undefined || b === undefined) throw new Error("Nothing is held.");
  a.phase = "PENDING";
  b.phase = "RUNNING";
  expect(held.phases()).toEqual({ SUBMITTED: 2, PENDING: 1, RUNNING: 1 });
  expect(held.all().map((each) => each.started)).toEqual([false, true, false, false]);
});

describe("HeldAttempts - a deadline", () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });
  const within = (expiresInSeconds: number) => ({ ...PLAIN_TERMS, expiresInSeconds });

  test("is told once it is over, of what hasn't begun, is held still and under this fence", () => {
    const overdue: string[] = [];
    const held = new HeldAttempts(({ id, fence }) => overdue.push(`${id} ${fence}`));
    held.add("waits", 1, "t", within(10));
    held.add("runs", 1, "t", within(10)).phase = "RUNNING";
    held.add("ended", 1, "t", within(10));
    held.drop("ended", 1);
    held.add("again", 1, "t", within(10));
    held.add("again", 2, "t", within(20));
    held.add("patient", 1, "t", PLAIN_TERMS);
    vi.advanceTimersByTime(9_999);
    expect(overdue).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(overdue).toEqual(["waits 1"]);
    vi.advanceTimersByTime(3_600_000);
    expect(overdue).toEqual(["waits 1", "again 2"]);
  });

  test("that was over when it was adopted is told at once; one in 60 days isn't", () => {
    const overdue: string[] = [];
    const held = new HeldAttempts(({ id }) => overdue.push(id));
    held.add("late", 1, "t", within(-3));
    held.add("far", 1, "t", within(60 * 86_400));
    vi.advanceTimersByTime(0);
    expect(overdue).toEqual(["late"]);
    vi.advanceTimersByTime(59 * 86_400_000);
    expect(overdue).toEqual(["late"]);
    vi.advanceTimersByTime(86_400_000);
    expect(overdue).toEqual(["late", "far"]);
  });

  test("is forgotten when the incarnation ends", () => {
    const overdue: string[] = [];
    const held = new HeldAttempts(({ id }) => overdue.push(id));
    held.add("a", 1, "t", within(1));
    held.forgetDeadlines();
    vi.advanceTimersByTime(2_000);
    expect(overdue).toEqual([]);
  });
});
