import { setTimeout as delay } from "node:timers/promises";
import { expect, test } from "vitest";
import { BridgeProxy } from "./bridge-proxy.ts";
import { BridgeStream } from "./bridge-stream.ts";
import { SidecarProcess } from "./sidecar-process.ts";
import { waitFor } from "./wait-for.ts";

export interface Cable {
  readonly server: SidecarProcess;
  readonly proxy: BridgeProxy;
  readonly stream: BridgeStream;
}

/** What is done, and milliseconds from its end to the next result, at most. */
export type Fault = readonly [string, number, (cable: Cable) => Promise<unknown> | unknown];

/** A test for each: between a real session and a real server, which go on as one session with each attempt once. */
export function testFaults(faults: readonly Fault[]): void {
  test.for(faults)("%s", { timeout: 30_000 }, async ([_what, within, fault], { annotate }) => {
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
}

export async function resetAgainAndAgain(proxy: BridgeProxy): Promise<void> {
  for (let count = 0; count < 10; count += 1) {
    const before = proxy.connections;
    proxy.reset();
    await waitFor("a new connection", () => proxy.connections > before);
  }
}

export async function during(
  proxy: BridgeProxy,
  toServer: Parameters<BridgeProxy["pass"]>[0],
  milliseconds: number,
  toWorker = toServer,
): Promise<void> {
  proxy.pass(toServer, toWorker);
  await delay(milliseconds);
  proxy.pass("freely");
}

export async function stopped(server: SidecarProcess, milliseconds: number): Promise<void> {
  server.signal("SIGSTOP");
  await delay(milliseconds);
  server.signal("SIGCONT");
}
