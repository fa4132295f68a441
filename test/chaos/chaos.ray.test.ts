/** A short `make test-chaos`: about 3 minutes, every kind of fault about once. */
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { type ChaosResult, runChaos } from "./run.ts";

const SEED = Number(process.env["RAYFERRY_TEST_SEED"] ?? 1);
const SECONDS = 80;

let run: Promise<ChaosResult> | undefined;

// Of a test whose time is over: nothing of it is left behind before the next begins.
afterAll(async () => {
  await run?.catch(() => {});
}, 120_000);

test("whatever dies - nothing is lost, nothing is recorded twice, and the checker finds nothing else", {
  timeout: 900_000,
}, async ({ signal }) => {
  const said: string[] = [];
  const keepIn = join(tmpdir(), `rayferry-chaos-${SEED}-${process.pid}`);
  run = runChaos({ seed: SEED, seconds: SECONDS, say: (line) => said.push(line), keepIn, signal });
  const { history, findings, report } = await run;
  console.log(`${said.join("\n")}\n${report}`);
  expect(findings).toEqual([]);
  // A run that did nothing would find nothing either.
  expect(history.rows.length).toBeGreaterThan(500);
  expect(history.deeds.length).toBeGreaterThan(8);
});
