/**
 * The checker can fail: task processes whose dead-man timer is broken are found out. The timer is taken out of a copy of the Python package, which one worker's
 * interpreter is shown instead of ours; so nothing in the product can be switched off.
 */
import { chmod, cp, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import type { RayTaskExecution } from "../../src/index.ts";
import { RayCluster } from "../support/ray-cluster.ts";
import { PYTHON } from "../support/sidecar-process.ts";
import { waitFor } from "../support/wait-for.ts";
import { installAudit, readTables } from "./audit.ts";
import { readLives } from "./bodies.ts";
import { check } from "./checker.ts";
import { EMPTY } from "./made-history.ts";

const FOLDER = fileURLToPath(new URL("./tasks", import.meta.url));
const PACKAGE = fileURLToPath(new URL("../../python/rayferry", import.meta.url));
/** In `_watch_authority`: without this a task process never asks for how long it may go on. */
const TIMER = "if self._interrupts.current is None or self._granted.left() > 0:\n            return";
/** Longer than the authority of a server in a process (8 s) and what follows until its work is run again. */
const BODY_SECONDS = 40;
const ARGS = ["--attached", "--tasks", "chaos_tasks"];

let cluster: RayCluster;

beforeAll(async () => {
  cluster = await RayCluster.start({ cpus: 4 });
  await installAudit(cluster.sql);
});

afterEach(() => {
  cluster?.killWorkers();
});

afterAll(async () => {
  await cluster?.stop();
});

/** An interpreter that finds a copy of the package without the timer. */
async function brokenPython(): Promise<string> {
  const folder = join(cluster.mark.folder, "broken");
  await cp(PACKAGE, join(folder, "rayferry"), { recursive: true });
  const file = join(folder, "rayferry", "tasklink", "client.py");
  const source = await readFile(file, "utf8");
  expect(source).toContain(TIMER);
  await writeFile(file, source.replace(TIMER, "return"));
  const python = join(folder, "python");
  await writeFile(python, `#!/bin/sh\nPYTHONPATH="${folder}:$PYTHONPATH" exec "${PYTHON}" "$@"\n`);
  await chmod(python, 0o755);
  return python;
}

/** A worker and its sidecar, with the server in it, are stopped until another worker has run their work again; what the checker says of it. */
async function stopAndRunAgain(name: string, python: readonly string[]): Promise<string[]> {
  const path = join(cluster.mark.folder, name);
  const frozen = await cluster.ready(`frozen-${name}`, [...ARGS, ...python], { folder: FOLDER });
  const execution = await cluster.backend.enqueue("chaos.body", { path, seconds: BODY_SECONDS });
  await waitFor("it runs", async () => (await readLives(path)).length === 1, 60_000);
  const heir = await cluster.ready(`heir-${name}`, ARGS, { folder: FOLDER });
  const sidecar = frozen.sidecar ?? 0;
  frozen.signal("SIGSTOP");
  process.kill(sidecar, "SIGSTOP");
  await waitFor("it runs again", async () => (await readLives(path)).length === 2, 60_000);
  const again = Date.now();
  await waitFor("both would have given another sign of life", () => Date.now() > again + 2_000);
  process.kill(sidecar, "SIGCONT");
  frozen.signal("SIGCONT");
  await execution.result({ timeout: 120 });
  expect(await heir.terminate()).toBe(0);
  return await rulesBroken(path, execution);
}

async function rulesBroken(path: string, { id }: RayTaskExecution): Promise<string[]> {
  const { rows, attempts, changes, incarnations } = await readTables(cluster.sql);
  const own = <Item extends { readonly id: string }>(items: readonly Item[]) => items.filter((each) => each.id === id);
  const tables = { rows: own(rows), attempts: own(attempts), changes: own(changes), incarnations };
  return [...new Set(check({ ...EMPTY, ...tables, lives: await readLives(path) }).map(({ rule }) => rule))];
}

test("a dead-man timer as it is - the checker finds nothing", async () => {
  expect(await stopAndRunAgain("whole", [])).toEqual([]);
});

test("a broken dead-man timer - the checker finds that two lives overlap", async () => {
  const python = await brokenPython();
  expect(await stopAndRunAgain("torn", ["--python", python])).toContain("overlap");
});
