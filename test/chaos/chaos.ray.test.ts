/** A short `make test-chaos`: about 3 minutes, every kind of fault about once. */
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { runChaos } from "./run.ts";

const SEED = Number(process.env["RAYFERRY_TEST_SEED"] ?? 1);
const SECONDS = 80;

test("whatever dies - nothing is lost, nothing is recorded twice, and the checker finds nothing else", {
  timeout: 900_000,
}, async () => {
  const said: string[] = [];
  const keepIn = join(tmpdir(), `rayferry-chaos-${SEED}-${process.pid}`);
  const { history, findings, report } = await runChaos({
    seed: SEED,
    seconds: SECONDS,
    say: (line) => said.push(line),
    keepIn,
  });
  console.log(`${said.join("\n")}\n${report}`);
  expect(findings).toEqual([]);
  // A run that did nothing would find nothing either.
  expect(history.rows.length).toBeGreaterThan(500);
  expect(history.deeds.length).toBeGreaterThan(8);
});
