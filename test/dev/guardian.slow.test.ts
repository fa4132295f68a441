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

  test("a group that ignores the signal is killed 5 s later, all of it", async () => {
    owner = await startOwner("group");
    const { pid, grandchild, guardian } = owner;
    expect(isRunning(grandchild)).toBe(true);
    owner.child.kill("SIGKILL");
    await waitFor("the group to end", () => !isRunning(pid) && !isRunning(grandchild), 9_000);
    await waitFor("the guardian to end", () => !isRunning(guardian), 3_000);
  });
});
