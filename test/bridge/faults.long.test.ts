/** Faults that outlast the ten seconds after which a session counts as lost, and a worker that is stopped. */
import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { BridgeSession } from "../../bridge/src/session.ts";
import { SILENCE } from "../../bridge/src/session-options.ts";
import { BridgeProxy } from "../support/bridge-proxy.ts";
import { BridgeStream } from "../support/bridge-stream.ts";
import { Output } from "../support/output.ts";
import { SidecarProcess } from "../support/sidecar-process.ts";
import { waitFor } from "../support/wait-for.ts";

const WORKER = fileURLToPath(new URL("../support/stream-process.ts", import.meta.url));

let server: SidecarProcess;

beforeEach(async () => {
  server = await SidecarProcess.start("--authority-seconds", "120");
});

afterEach(async () => {
  await server.stop();
});

/** A session that drains what the server holds: how many results it gets. */
async function drain(endpoint: string): Promise<number> {
  const results = new Set<number>();
  const session = new BridgeSession({
    endpoint,
    build: "0",
    worker: "drain",
    incarnation: randomUUID(),
    role: "drain",
    database: null,
    openTimeout: 5_000,
    onMessage: (message) => message.type === "result" && results.add(message.fence),
    onLost: () => {},
  });
  const { inventory } = await session.open();
  session.send({ type: "adopt", attempts: inventory.map(({ id, fence }) => [id, fence]) });
  await waitFor("a result for each that the server held", () => results.size === inventory.length);
  await session.close("drained", false);
  return results.size;
}

/** So that the server has results which nobody recorded: it still gets submits for a moment, and can't answer them. */
async function breakInTwoSteps(proxy: BridgeProxy): Promise<void> {
  proxy.pass("freely", "hole");
  await delay(100);
  proxy.pass("hole");
}

describe("BridgeSession - reported lost within ten seconds, and the server keeps what wasn't recorded, when", () => {
  test.each<[string, (proxy: BridgeProxy) => Promise<void> | void, (proxy: BridgeProxy) => void]>([
    ["nothing passes any more", (proxy) => breakInTwoSteps(proxy), (proxy) => proxy.pass("freely")],
    ["the server is stopped", () => server.signal("SIGSTOP"), () => server.signal("SIGCONT")],
  ])("%s", async (_what, break_, heal) => {
    const proxy = await BridgeProxy.listen(server.endpoint);
    const stream = new BridgeStream(proxy.endpoint);
    await stream.start();
    await waitFor("some results", () => stream.results.size > 100);
    const brokenAt = performance.now();
    await break_(proxy);
    await delay(12_000);
    expect(stream.lost).toContain("has been silent for 10 s: connections are taken, but nothing answers");
    expect((stream.lostAt ?? 0) - brokenAt).toBeLessThan(SILENCE + 500);
    heal(proxy);
    await waitFor("it serves again", async () => (await drain(server.endpoint)) > 0, 20_000);
    await stream.close();
    await proxy.close();
  });
});

describe("BridgeSession - of a worker that is stopped", () => {
  // The session is detached by then, and kept; what the worker slept through isn't the server's silence.
  test.each([4_000, 12_000])("for %i ms - goes on, each attempt once", async (milliseconds) => {
    const child = spawn(process.execPath, [WORKER, server.endpoint], { stdio: ["ignore", "pipe", "inherit"] });
    const worker = new Output(child);
    await worker.until(/results \d{3,}/);
    child.kill("SIGSTOP");
    await delay(milliseconds);
    child.kill("SIGCONT");
    const continuedAt = performance.now();
    child.kill("SIGTERM");
    await worker.until(/complete, each once/, SILENCE);
    expect(performance.now() - continuedAt).toBeLessThan(SILENCE);
    expect(await worker.ended).toBe(0);
  });
});
