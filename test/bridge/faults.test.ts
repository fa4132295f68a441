/** What networks do to a connection between a real session and a real server, and what a stopped process does. */
import { setTimeout as delay } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { BridgeProxy } from "../support/bridge-proxy.ts";
import { BridgeStream } from "../support/bridge-stream.ts";
import { SidecarProcess } from "../support/sidecar-process.ts";
import { waitFor } from "../support/wait-for.ts";

interface Cable {
  readonly server: SidecarProcess;
  readonly proxy: BridgeProxy;
  readonly stream: BridgeStream;
}

/** What is done, and milliseconds from its end to the next result, at most. */
const FAULTS: [string, number, (cable: Cable) => Promise<unknown> | unknown][] = [
  ["dropped", 2_000, ({ proxy }) => proxy.drop()],
  ["reset in the middle of whatever is under way", 2_000, ({ proxy }) => proxy.reset()],
  ["reset ten times, one after another", 2_000, ({ proxy }) => resetAgainAndAgain(proxy)],
  ["cut off from the worker, and the server isn't told", 2_000, ({ proxy }) => proxy.cutOff("worker")],
  ["cut off from the server, and the worker isn't told", 6_000, ({ proxy }) => proxy.cutOff("server")],
  ["slow: 300 ms each way for 2 s", 2_000, ({ proxy }) => during(proxy, { delay: 300 }, 2_000)],
  ["slow: one byte at a time for 2 s", 4_000, ({ proxy }) => during(proxy, "byte by byte", 2_000)],
  ["a black hole for 2 s", 2_000, ({ proxy }) => during(proxy, "hole", 2_000)],
  ["a black hole for 6 s, so that ZeroMQ connects again into it", 5_000, ({ proxy }) => during(proxy, "hole", 6_000)],
  ["a black hole to the server alone for 5 s", 5_000, ({ proxy }) => during(proxy, "hole", 5_000, "freely")],
  ["a black hole to the worker alone for 5 s", 5_000, ({ proxy }) => during(proxy, "freely", 5_000, "hole")],
  ["good, but the server is stopped for 4 s", 5_000, ({ server }) => stopped(server, 4_000)],
];

describe.concurrent("BridgeSession - goes on over a connection that is", () => {
  test.for(FAULTS)("%s", { timeout: 30_000 }, async ([_what, within, fault], { annotate }) => {
    const server = await SidecarProcess.start("--authority-seconds", "60");
    const proxy = await BridgeProxy.listen(server.endpoint);
    const stream = new BridgeStream(proxy.endpoint);
    try {
      await stream.start();
      await waitFor("some results", () => stream.results.size > 20);
      await fault({ server, proxy, stream });
      const healedAt = performance.now();
      await waitFor("a result after it", () => stream.lastResultAt > healedAt || stream.lostAt !== null, within);
      await annotate(`${Math.round(stream.lastResultAt - healedAt)} ms to the next result`);
      stream.pause();
      await waitFor(
        `a result for each, ${stream.results.size} of ${stream.submitted}; ${stream.lost}`,
        () => stream.isComplete,
      );
      expect(stream.lost).toBe("");
      expect([...new Set(stream.results.values())]).toEqual([1]);
      // One session: it was resumed, whatever became of its connections.
      expect(server.output.text.match(/"A session began\."/g)).toHaveLength(1);
    } finally {
      await stream.close();
      await proxy.close();
      await server.stop();
    }
  });
});

async function resetAgainAndAgain(proxy: BridgeProxy): Promise<void> {
  for (let count = 0; count < 10; count += 1) {
    const before = proxy.connections;
    proxy.reset();
    await waitFor("a new connection", () => proxy.connections > before);
  }
}

async function during(
  proxy: BridgeProxy,
  toServer: Parameters<BridgeProxy["pass"]>[0],
  milliseconds: number,
  toWorker = toServer,
): Promise<void> {
  proxy.pass(toServer, toWorker);
  await delay(milliseconds);
  proxy.pass("freely");
}

async function stopped(server: SidecarProcess, milliseconds: number): Promise<void> {
  server.signal("SIGSTOP");
  await delay(milliseconds);
  server.signal("SIGCONT");
}
