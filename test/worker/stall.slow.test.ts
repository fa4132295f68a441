/** A worker whose event loop stands still for longer than its lease. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pino } from "pino";
import { expect, test } from "vitest";
import { RayTaskBackend } from "../../src/index.ts";
import { createTestDatabase } from "../support/database.ts";
import { syncWorker, temporaryFolder } from "../support/sync-worker.ts";
import { waitFor } from "../support/wait-for.ts";

function standStill(milliseconds: number): void {
  const until = performance.now() + milliseconds;
  while (performance.now() < until);
}

test("an event loop that stands still for longer than the lease - the worker begins anew before it does anything else", async () => {
  const database = await createTestDatabase();
  const folder = await temporaryFolder();
  await using backend = new RayTaskBackend({ databaseUrl: database.url });
  const said: string[] = [];
  const logger = pino({ level: "debug" }, { write: (line) => said.push((JSON.parse(line) as { msg: string }).msg) });
  const worker = syncWorker(database.url, { logger });
  let incarnations = 0;
  await worker.start(() => {
    incarnations += 1;
  });
  const gate = join(folder.path, "gate");
  const execution = await backend.enqueue("sample.wait_for_file", { path: gate });
  await waitFor("it runs", async () => (await execution.refresh()).state === "RUNNING");
  const waiting = await backend.enqueue("sample.add", { a: 1 }, { delay: 1 });
  said.length = 0;
  standStill(8_500);
  await waitFor("the next incarnation", () => incarnations === 2, 20_000);
  expect(said[0]).toMatch(
    /^The worker's event loop stood still for \d+\.\d s; its lease ran out \d\.\d s ago, so that others may have what it held\.$/,
  );
  expect(said[1]).toMatch(/^The lease ran out: the worker stood still for \d+\.\d s\. Starting again\.$/);
  await writeFile(gate, "");
  expect(await execution.result({ timeout: 20 })).toEqual(expect.any(Number));
  expect(await execution.refresh()).toMatchObject({ attempt: 1, infrastructureLosses: 1 });
  expect(await waiting.result({ timeout: 20 })).toBe(3);
  expect(await waiting.refresh()).toMatchObject({ attempt: 1, infrastructureLosses: 0 });
  await worker.stop(0);
  await folder.remove();
  await database.drop();
});
