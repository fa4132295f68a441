import { type ChildProcess, spawn } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { Output } from "../support/output.ts";
import { temporaryFolder } from "../support/sync-worker.ts";

const SCRIPT = fileURLToPath(new URL("../support/stall-process.ts", import.meta.url));

async function start(): Promise<{ child: ChildProcess; output: Output; end(): Promise<string[]> }> {
  const child = spawn(process.execPath, [SCRIPT], { stdio: ["pipe", "pipe", "pipe"] });
  const output = new Output(child);
  await output.until(/ready/);
  return {
    child,
    output,
    /** Its log, and that it ends by itself: a watch that is stopped holds no process. */
    async end() {
      child.stdin?.end();
      expect(await output.ended).toBe(0);
      return output.text
        .split("\n")
        .filter((line) => line.startsWith("{"))
        .map((line) => (JSON.parse(line) as { msg: string }).msg);
    },
  };
}

describe.concurrent("StallWatch - an event loop that stands still", () => {
  test("in a computation - is named while it lasts, with its length afterwards", async ({ onTestFinished }) => {
    const { child, output, end } = await start();
    onTestFinished(() => void child.kill("SIGKILL"));
    const folder = await temporaryFolder();
    const path = join(folder.path, "enough");
    child.stdin?.write(`compute ${path}\n`);
    await output.until(/has stood still/);
    await writeFile(path, "");
    await output.until(/loop stood still for/);
    await folder.remove();
    const lines = await end();
    expect(lines).toContainEqual(
      expect.stringMatching(
        /^The worker's event loop has stood still for 0\.[4-9] s, in:\n {2}computeForLong \(.*stall-process\.ts:\d+\)(\n .*){1,7}$/,
      ),
    );
    expect(lines).toContainEqual(
      expect.stringMatching(/^The worker's event loop stood still for \d\.\d s; told true before the log\.$/),
    );
  });

  test("in a native call - is named when that returns", async ({ onTestFinished }) => {
    const { child, output, end } = await start();
    onTestFinished(() => void child.kill("SIGKILL"));
    child.stdin?.write("wait\n");
    await output.until(/stood still for \d\.\d s;/);
    await output.until(/waitForAnotherProcess/);
    await end();
  });

  test("because the process is stopped - is told apart", async ({ onTestFinished }) => {
    const { child, output, end } = await start();
    onTestFinished(() => void child.kill("SIGKILL"));
    child.kill("SIGSTOP");
    await delay(1_000);
    child.kill("SIGCONT");
    await output.until(/starved/);
    const lines = await end();
    expect(lines).toContainEqual(
      expect.stringMatching(/^The worker's process was stopped or starved for \d\.\d s; told true before the log\.$/),
    );
    expect(lines.join()).not.toContain("event loop");
  });
});
