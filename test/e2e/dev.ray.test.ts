/** `rayferry dev` as its user meets it: a folder with a Python file, a terminal, Ctrl-C. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { cli, startCli } from "../support/cli.ts";
import { Output } from "../support/output.ts";
import { ProcessMark } from "../support/processes.ts";
import { temporaryFolder } from "../support/sync-worker.ts";
import { waitFor } from "../support/wait-for.ts";

const TASKS = `
import os, time
from rayferry import task

@task(name="shop.price")
def price(amount: int, rate: float = 0.5) -> dict:
    return {"total": amount * (1 + rate), "ray_process": os.getpid()}

@task(name="shop.wait")
def wait(seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        time.sleep(0.01)

@task(name="shop.stubborn")
def stubborn() -> None:
    while True:
        try:
            time.sleep(0.05)
        except BaseException:
            pass
`;

describe("rayferry dev", () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  const mark = new ProcessMark();

  beforeAll(async () => {
    folder = await temporaryFolder();
    await writeFile(join(folder.path, "shop_tasks.py"), TASKS);
  });

  afterAll(async () => {
    mark.clear();
    await folder?.remove();
  });

  const start = () => startCli(["dev", "--tasks", "shop_tasks"], { cwd: folder.path, env: mark.env });
  /** Another terminal in the same folder: it finds the database by itself. */
  const run = async (...args: string[]) => {
    const outcome = await cli(args, { cwd: folder.path });
    expect(outcome.stderr).toBe("");
    return outcome.stdout;
  };
  const enqueue = async (...args: string[]) => (JSON.parse(await run("enqueue", ...args)) as { id: string }).id;
  const stateOf = async (id: string) => (JSON.parse(await run("show", id, "--json")) as { state: string }).state;

  const tasksOf = async () => {
    const workers = JSON.parse(await run("workers", "--json")) as { state: string; tasks: string[] }[];
    return workers.find((each) => each.state === "READY")?.tasks ?? [];
  };

  let kept = "";
  let url = "";

  test("the first run - runs tasks on Ray, takes up a changed file, and ends with nothing left running", async () => {
    const child = start();
    const output = new Output(child);
    await output.until(/Ctrl-C stops everything/);
    expect(output.text).toContain("shop.price(amount: int, rate: float = 0.5)");
    expect(output.text).toContain("npx rayferry enqueue shop.price --input '{\"amount\":1}'");

    url = output.text.match(/postgres:\/\/\S+/)?.[0] ?? expect.fail("no URL was printed");
    kept = await enqueue("shop.price", "--input", '{"amount": 4}');
    const result = JSON.parse(await run("result", kept, "--wait", "30")) as { total: number; ray_process: number };
    expect(result.total).toBe(6);
    expect(result.ray_process).not.toBe(child.pid);

    const running = await enqueue("shop.wait", "--input", "[600]");
    await waitFor("it is claimed", async () => (await stateOf(running)) === "RUNNING");
    await run("cancel", running);
    await waitFor("it is cancelled", async () => (await stateOf(running)) === "CANCELLED", 15_000);

    const stubborn = await enqueue("shop.stubborn");
    await waitFor("it is claimed", async () => (await stateOf(stubborn)) === "RUNNING");
    await run("cancel", stubborn);
    await waitFor("it is killed after the grace", async () => (await stateOf(stubborn)) === "CANCELLED", 20_000);

    await writeFile(
      join(folder.path, "shop_tasks.py"),
      `${TASKS}\n@task(name="shop.new")\ndef new() -> str:\n    return "new"\n`,
    );
    await output.until(/the sidecar is up again/);
    expect(JSON.parse(await run("result", await enqueue("shop.new"), "--wait", "30"))).toBe("new");

    await writeFile(join(folder.path, "shop_tasks.py"), `${TASKS}\nraise RuntimeError("half written")\n`);
    await output.until(/half written/);
    await waitFor("it has no task left", async () => !(await tasksOf()).includes("shop.price"), 60_000);
    await writeFile(join(folder.path, "shop_tasks.py"), TASKS);
    await waitFor("it is taken up", async () => (await tasksOf()).includes("shop.price"), 60_000);

    child.kill("SIGINT");
    expect(await output.ended).toBe(0);
    expect(mark.find()).toEqual([]);
  });

  test("the second run - still has what the first one wrote; a second dev beside it is refused", async () => {
    const child = start();
    const output = new Output(child);
    await output.until(/Ctrl-C stops everything/);
    expect(output.text).toContain(url);
    expect(await stateOf(kept)).toBe("SUCCEEDED");
    const second = await cli(["dev", "--tasks", "shop_tasks"], { cwd: folder.path, env: mark.env });
    expect(second.status).toBe(1);
    expect(second.stderr).toMatch(/^rayferry: `rayferry dev` already runs in this folder \(pid \d+\)/);
    expect(await stateOf(kept)).toBe("SUCCEEDED");

    child.kill("SIGKILL");
    const killed = performance.now();
    await waitFor("everything it started is gone", () => mark.find().length === 0, 15_000);
    console.log(`everything gone ${((performance.now() - killed) / 1000).toFixed(1)} s after kill -9`);
  });

  test("a mistyped option - is refused before anything is started", async () => {
    const outcome = await cli(["dev", "--tasks", "shop_tasks.py"], { cwd: folder.path });
    expect(outcome.status).toBe(2);
    expect(outcome.stderr).toContain('Did you mean "shop_tasks"?');
    expect(outcome.stdout).toBe("");
  });
});
