/** A process whose event loop stands still when a line comes on stdin: `compute FILE` or `wait` */
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import { createLogger } from "../../src/logger.ts";
import { StallWatch } from "../../src/worker/stall-watch.ts";

/** Until the file is there. */
function computeForLong(path: string): void {
  while (!existsSync(path));
}

function waitForAnotherProcess(): void {
  execFileSync("sleep", ["3"]);
}

const watch = new StallWatch({
  logger: createLogger(),
  stall: 400,
  onStall: (milliseconds) => `; told ${milliseconds > 400} before the log`,
});
while (!watch.isWatching) await delay(10);
console.log("ready");
const lines = createInterface({ input: process.stdin });
lines.on("line", (line) => (line === "wait" ? waitForAnotherProcess() : computeForLong(line.split(" ")[1] ?? "")));
lines.on("close", () => void watch.stop());
