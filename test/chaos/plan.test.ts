import { expect, test } from "vitest";
import { FAULTS } from "./faults/index.ts";
import { ENDS, KINDS } from "./load-plan.ts";
import { describePlan, makePlan } from "./plan.ts";

test("plan - the same for the same seed, and another for another", () => {
  expect(makePlan(7, 120, FAULTS)).toEqual(makePlan(7, 120, FAULTS));
  expect(makePlan(7, 120, FAULTS).faults).not.toEqual(makePlan(8, 120, FAULTS).faults);
  expect(makePlan(7, 120, FAULTS).load).not.toEqual(makePlan(8, 120, FAULTS).load);
});

test("plan - every fault once before any comes again, within the time, at targets that are there", () => {
  const { faults, load } = makePlan(3, 300, FAULTS);
  expect(new Set(faults.slice(0, FAULTS.length).map(({ kind }) => kind)).size).toBe(FAULTS.length);
  for (const { kind, at, target, seconds } of faults) {
    const fault = FAULTS.find((each) => each.kind === kind);
    expect(at).toBeLessThan(300);
    expect(target).toBeLessThan(fault?.targets ?? 0);
    expect(fault?.lasts.some(([low, high]) => seconds >= low && seconds <= high)).toBe(true);
  }
  expect(load.length).toBeGreaterThan(3_000);
  expect(load.every(({ at }, index) => at >= (load[index - 1]?.at ?? 0))).toBe(true);
});

test("plan - the short run of `make test` has every fault", () => {
  expect(new Set(makePlan(1, 80, FAULTS).faults.map(({ kind }) => kind)).size).toBe(FAULTS.length);
});

test("plan - says the seed, and a line for each fault", () => {
  const plan = makePlan(3, 60, FAULTS);
  expect(describePlan(plan).split("\n")).toHaveLength(plan.faults.length + 1);
  expect(describePlan(plan)).toMatch(/^seed 3: \d+ executions/);
});

test("plan - every kind of execution in the short run, groups that are cancelled by their tag, and pauses one at a time", () => {
  const { load, pauses } = makePlan(1, 80, FAULTS);
  expect(new Set(load.map(({ kind }) => kind))).toEqual(new Set(KINDS));
  const groups = Map.groupBy(
    load.filter(({ tag }) => tag !== null),
    ({ tag }) => tag,
  );
  expect(groups.size).toBeGreaterThan(2);
  for (const group of groups.values()) expect(group.filter(({ cancelAfter }) => cancelAfter !== null)).toHaveLength(1);
  expect(pauses.length).toBeGreaterThan(2);
  for (const [index, { at }] of pauses.entries()) {
    const before = pauses[index - 1];
    if (before !== undefined) expect(at).toBeGreaterThan(before.at + before.seconds);
  }
});

test("plan - a kind of execution for each end that there is", () => {
  expect(new Set(KINDS.flatMap((kind) => ENDS[kind]))).toEqual(
    new Set(["SUCCEEDED", "FAILED", "CANCELLED", "EXPIRED"]),
  );
});
