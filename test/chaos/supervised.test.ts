import { spawn } from "node:child_process";
import { expect, test } from "vitest";
import { Output } from "../support/output.ts";
import { isRunning } from "../support/processes.ts";
import { waitFor } from "../support/wait-for.ts";
import { SupervisedWorker } from "./supervised.ts";

/** Ends with status 0 by SIGTERM once it is ready, and by the signal before that: as a worker does. */
const READY = `setInterval(() => {}, 1000); setTimeout(() => { process.on("SIGTERM", () => process.exit(0)); console.log("worker is ready"); }, 100);`;
const NEVER_READY = "setInterval(() => {}, 1000);";

function supervised(script: string): SupervisedWorker {
  return new SupervisedWorker("a", { args: [], env: {} }, () => {
    const child = spawn(process.execPath, ["-e", script], { stdio: ["ignore", "pipe", "pipe"] });
    const output = new Output(child);
    const terminate = () => {
      child.kill("SIGTERM");
      return output.ended;
    };
    return { child, output, sidecar: null, signal: (signal) => void child.kill(signal), terminate };
  });
}

test("stop - waits for one that starts, also after another was killed, and finds nothing wrong", async () => {
  expect(await supervised(READY).stop()).toBeNull();
  const worker = supervised(READY);
  await worker.ready();
  worker.process.signal("SIGKILL");
  await worker.process.output.ended;
  expect(await worker.stop()).toBeNull();
});

test("stop - one that doesn't get ready is ended, and told", async () => {
  const worker = supervised(NEVER_READY);
  const { pid } = worker.process.child;
  expect(await worker.stop(50)).toMatch("a wasn't ready for its stop within 0.05 s");
  await waitFor("it has ended", () => !isRunning(pid ?? 0));
});
