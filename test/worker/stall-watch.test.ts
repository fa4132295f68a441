import { type ChildProcess, spawn } from "node:child_process";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Output } from "../support/output.ts";

const SCRIPT = fileURLToPath(new URL("../support/stall-process.ts", import.meta.url));

let child: ChildProcess;
let output: Output;

beforeEach(async () => {
  child = spawn(process.execPath, [SCRIPT], { stdio: ["pipe", "pipe", "pipe"] });
  output = new Output(child);
  await output.until(/ready/);
});

/** Its log, and that it ends by itself: a watch that is stopped holds no process. */
async function end(): Promise<string[]> {
  child.stdin?.end();
  expect(await output.ended).toBe(0);
  return output.text
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => (JSON.parse(line) as { msg: string }).msg);
}

afterEach(() => child.kill("SIGKILL"));

describe("StallWatch - an event loop that stands still", () => {
  test("in a computation - is named while it lasts, with its length afterwards", async () => {
    child.stdin?.write("compute\n");
    await output.until(/stood still for 1\.\d s/);
    const [during, after, ...others] = await end();
    expect(during).toMatch(
      /^The worker's event loop has stood still for 0\.[4-9] s, in:\n {2}computeForLong \(.*stall-process\.ts:\d+\)\n/,
    );
    expect(during?.split("\n").length).toBeLessThanOrEqual(9);
    expect(after).toMatch(/^The worker's event loop stood still for 1\.\d s; told true before the log\.$/);
    expect(others).toEqual([]);
  });

  test("in a native call - is named when that returns", async () => {
    child.stdin?.write("wait\n");
    await output.until(/stood still for 1\.\d s;/);
    await output.until(/waitForAnotherProcess/);
    const lines = await end();
    expect(lines).toHaveLength(2);
  });

  test("because the process is stopped - is told apart", async () => {
    child.kill("SIGSTOP");
    await delay(1_000);
    child.kill("SIGCONT");
    await output.until(/starved/);
    expect(await end()).toEqual([
      expect.stringMatching(/^The worker's process was stopped or starved for \d\.\d s; told true before the log\.$/),
    ]);
  });
});
