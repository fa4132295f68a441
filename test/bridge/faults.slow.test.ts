/** What networks do to a connection for seconds, and what a stopped process does. */
import { describe } from "vitest";
import { during, type Fault, stopped, testFaults } from "../support/bridge-faults.ts";

const FAULTS: readonly Fault[] = [
  ["cut off from the server, and the worker isn't told", 6_000, ({ proxy }) => proxy.cutOff("server")],
  ["slow: 300 ms each way for 2 s", 2_000, ({ proxy }) => during(proxy, { delay: 300 }, 2_000)],
  ["slow: one byte at a time for 2 s", 4_000, ({ proxy }) => during(proxy, "byte by byte", 2_000)],
  ["a black hole for 2 s", 2_000, ({ proxy }) => during(proxy, "hole", 2_000)],
  ["a black hole for 6 s, so that ZeroMQ connects again into it", 5_000, ({ proxy }) => during(proxy, "hole", 6_000)],
  ["a black hole to the server alone for 5 s", 5_000, ({ proxy }) => during(proxy, "hole", 5_000, "freely")],
  ["a black hole to the worker alone for 5 s", 5_000, ({ proxy }) => during(proxy, "freely", 5_000, "hole")],
  ["good, but the server is stopped for 4 s", 5_000, ({ server }) => stopped(server, 4_000)],
];

describe.concurrent("BridgeSession - goes on over a connection that is", () => testFaults(FAULTS));
