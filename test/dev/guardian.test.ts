import { readFileSync } from "node:fs";
import { afterEach, describe, expect, test } from "vitest";
import { isRunning } from "../support/processes.ts";
import { waitFor } from "../support/wait-for.ts";
import { endOwner, type Owner, startOwner } from "./start-owner.ts";

// It reads the states of foreign processes from /proc.
describe.skipIf(process.platform !== "linux")("guardian", () => {
  let owner: Owner | undefined;

  afterEach(() => {
    endOwner(owner);
    owner = undefined;
  });

  test("a watched process ends when its owner is killed, and so does the guardian", async () => {
    owner = await startOwner("child");
    const { pid, guardian } = owner;
    expect(isRunning(pid)).toBe(true);
    owner.child.kill("SIGKILL");
    await waitFor("the watched process to end", () => !isRunning(pid), 3_000);
    await waitFor("the guardian to end", () => !isRunning(guardian), 3_000);
  });

  test("a forgotten process is left alone", async () => {
    owner = await startOwner("forgotten");
    const { pid, guardian } = owner;
    owner.child.kill("SIGKILL");
    await waitFor("the guardian to end", () => !isRunning(guardian), 3_000);
    expect(isRunning(pid)).toBe(true);
  });

  test("close() sends the guardian home and signals nobody", async () => {
    owner = await startOwner("closed");
    const { pid, guardian } = owner;
    expect(isRunning(guardian)).toBe(false);
    expect(isRunning(pid)).toBe(true);
    expect(isRunning(owner.child.pid ?? 0)).toBe(true);
  });

  test("signals to the guardian itself don't end it", async () => {
    owner = await startOwner("child");
    const { pid, guardian } = owner;
    // Until Node has come up in it, it is as mortal as any process.
    await waitFor("the guardian's signal handlers", () => handlesSighup(guardian));
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.kill(guardian, signal);
    owner.child.kill("SIGKILL");
    await waitFor("the watched process to end", () => !isRunning(pid), 3_000);
  });
});

// Node catches SIGINT and SIGTERM by itself; SIGHUP is the last that guardian-main.ts sets.
function handlesSighup(pid: number): boolean {
  const caught = /^SigCgt:\s*(\w+)$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? "0";
  return (BigInt(`0x${caught}`) & 1n) !== 0n;
}
