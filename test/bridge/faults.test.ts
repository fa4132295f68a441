/** What networks do to a connection between a real session and a real server. Those that take seconds are in faults.slow.test.ts. */
import { describe } from "vitest";
import { type Fault, resetAgainAndAgain, testFaults } from "../support/bridge-faults.ts";

const FAULTS: readonly Fault[] = [
  ["dropped", 2_000, ({ proxy }) => proxy.drop()],
  ["reset in the middle of whatever is under way", 2_000, ({ proxy }) => proxy.reset()],
  ["reset ten times, one after another", 2_000, ({ proxy }) => resetAgainAndAgain(proxy)],
  ["cut off from the worker, and the server isn't told", 2_000, ({ proxy }) => proxy.cutOff("worker")],
];

describe.concurrent("BridgeSession - goes on over a connection that is", () => testFaults(FAULTS));
