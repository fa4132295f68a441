/** A process whose event loop stands still when a line comes on stdin: stall-process.ts */
import { execFileSync } from "node:child_process";
import { createInterface } from "node:readline";
import { createLogger } from "../../src/logger.ts";
import { StallWatch } from "../../src/worker/stall-watch.ts";

const SECONDS = 1.2;

function computeForLong(): void {
  const until = performance.now() + SECONDS * 1000;
  while (performance.now() < until);
}

function waitForAnotherProcess(): void {
  execFileSync("sleep", [String(SECONDS)]);
}

const watch = new StallWatch({
  logger: createLogger(),
  stall: 400,
  onStall: (milliseconds) => `; told ${milliseconds > 400} before the log`,
});
console.log("ready");
const lines = createInterface({ input: process.stdin });
lines.on("line", (line) => (line === "compute" ? computeForLong() : waitForAnotherProcess()));
lines.on("close", () => void watch.stop());
