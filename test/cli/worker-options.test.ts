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
