/** What `rayferry worker` takes from its environment. */
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { workerOptions } from "../../src/cli/worker.ts";

beforeEach(() => {
  vi.stubEnv("RAYFERRY_RAY_ADDRESS", undefined);
  vi.stubEnv("RAYFERRY_HOST_ON", "node");
});

afterEach(() => {
  vi.unstubAllEnvs();
});

test("RAYFERRY_HOST_ON - counts for a worker on a cluster, unless it says otherwise", () => {
  expect(workerOptions({ rayAddress: "h:1" })).toHaveProperty("hostOn", "node");
  expect(workerOptions({ rayAddress: "h:1", hostOn: "head" })).toHaveProperty("hostOn", "head");
});

test("RAYFERRY_HOST_ON - is no error where there is no actor to place", () => {
  for (const options of [{}, { runner: "sync" }, { rayAddress: "h:1", attached: true }])
    expect(workerOptions(options)).not.toHaveProperty("hostOn");
});

test("RAYFERRY_KEEP, RAYFERRY_KEEP_FAILED - days, unless the options say otherwise", () => {
  expect(workerOptions({})).not.toHaveProperty("keep");
  vi.stubEnv("RAYFERRY_KEEP", "1.5");
  vi.stubEnv("RAYFERRY_KEEP_FAILED", "90");
  expect(workerOptions({})).toMatchObject({ keep: 1.5, keepFailed: 90 });
  expect(workerOptions({ keep: "2", keepFailed: "3" })).toMatchObject({ keep: 2, keepFailed: 3 });
  vi.stubEnv("RAYFERRY_KEEP", "a week");
  expect(() => workerOptions({})).toThrow('--keep (or RAYFERRY_KEEP) takes a number, not "a week".');
});
