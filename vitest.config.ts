import { defineConfig } from "vitest/config";

const RAY = "test/**/*.ray.test.ts";
const SLOW = "test/**/*.slow.test.ts";
const LONG = "test/**/*.long.test.ts";

/** By file name: `x.test.ts` is fast, `x.ray.test.ts` starts a Ray, `x.slow.test.ts` waits for leases to run out, `x.long.test.ts` is for `make test-long` only. */
export default defineConfig({
  test: {
    // One Postgres for the whole run.
    globalSetup: ["test/support/global-setup.ts"],
    projects: [
      {
        extends: true,
        test: {
          name: "fast",
          include: ["test/**/*.test.ts"],
          exclude: [RAY, SLOW, LONG],
          sequence: { groupOrder: 0 },
          // These wait for Postgres and for processes more than they compute; Vitest's default leaves one core idle.
          maxWorkers: "100%",
          // Two processes for sixty files: one for each took a third of the whole time to start and to import.
          isolate: false,
          testTimeout: 15_000,
          hookTimeout: 30_000,
        },
      },
      {
        extends: true,
        test: {
          name: "slow",
          include: [SLOW],
          sequence: { groupOrder: 1 },
          maxWorkers: "100%",
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
      {
        extends: true,
        test: {
          name: "ray",
          include: [RAY],
          sequence: { groupOrder: 2 },
          // A Ray of two CPUs fills two cores: two at once would only make both time out.
          fileParallelism: false,
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
      {
        extends: true,
        test: {
          name: "long",
          include: [LONG],
          sequence: { groupOrder: 3 },
          fileParallelism: false,
          testTimeout: 1_800_000,
          hookTimeout: 120_000,
        },
      },
    ],
  },
});
