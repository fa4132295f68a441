import { expect, test } from "vitest";
import { describeWorkers } from "../../src/cli/describe-workers.ts";
import type { TaskWorkerLease } from "../../src/worker-lease.ts";

const AT = new Date("2026-03-04T05:06:07.890Z");

function worker(): TaskWorkerLease {
  const id = "0198c0de-0000-7000-8000-000000000001";
  const counts = { slots: 8, submitted: 0, pending: 0, running: 0, refused: 0 };
  const times = { startedAt: AT, heartbeatAt: AT, heartbeatAgeSeconds: 1.4, expiresAt: AT, stoppedAt: null };
  const nothing = { lastError: null, lastErrorAt: null, drainRequestedAt: null };
  const place = { id, name: "w-1", host: "box", pid: 1234, version: "0.1.0", queues: ["default"], tasks: [] };
  const server = { accepting: true, sidecarPid: null, server: null, ray: null };
  return { ...place, ...counts, ...times, ...nothing, ...server, state: "READY", leads: false };
}

const RAY = { address: "10.0.0.5:6379", version: "2.60.0", reachable: true, nodes: 2, cpus: 8, cpusFree: 3.5 };
const MEMORY = { gpus: 0, gpusFree: 0, memory: 16 * 1024 ** 3, memoryFree: 9.25 * 1024 ** 3 };
const SERVER = { id: "s", epoch: "e", pid: 1250, build: "0.1.0", endpoint: "ipc:///x", generation: null };

test("describeWorkers - a line each, and below it server, Ray and troubles", () => {
  const leader = {
    ...worker(),
    leads: true,
    running: 3,
    pending: 2,
    sidecarPid: 1240,
    server: { ...SERVER, actorName: "rayferry:w-1", isEnded: false },
    ray: { ...RAY, ...MEMORY },
    lastError: "Postgres at db said: no\nmore",
    lastErrorAt: AT,
  };
  const drained = {
    ...worker(),
    name: "w-2",
    state: "DRAINING" as const,
    drainRequestedAt: AT,
    sidecarPid: 7,
    server: { ...SERVER, pid: 7, actorName: null, isEnded: false },
    accepting: false,
    refused: 2,
  };
  expect(describeWorkers([leader, drained])).toBe(
    [
      "NAME  STATE         RUNNING  WAITING  QUEUES   HOST:PID  BEAT",
      "w-1   READY, leads  3/8      2        default  box:1234  1 s ago",
      "    server in an actor: pid 1250, 0.1.0, sidecar pid 1240",
      "    Ray 2.60.0 at 10.0.0.5:6379: 2 nodes, 3.5 of 8 CPUs free, 9.3 of 16 GiB free",
      "    last error, 05:06:07 UTC: Postgres at db said: no",
      "w-2   DRAINING      0/8      0        default  box:1234  1 s ago",
      "    server: pid 7, 0.1.0, takes no more now",
      "    drains since 05:06:07 UTC: nothing is left",
      "    late write-backs that were refused: 2",
    ].join("\n"),
  );
});

test("describeWorkers - one that starts says what it waits for; Ray that doesn't answer stands out", () => {
  const standby = { ...worker(), state: "STARTING" as const, slots: null, lastError: "The server has its worker: a." };
  const text = describeWorkers([
    standby,
    { ...standby, lastError: null },
    { ...worker(), ray: { ...RAY, ...MEMORY, reachable: false, cpusFree: null, memory: null } },
  ]);
  expect(text).toContain("STARTING  0/?");
  expect(text).toContain("\n    waits: The server has its worker: a.\n");
  expect(text).toContain("\n    waits: for its server to be there\n");
  expect(text).toContain("UNREACHABLE; last seen with 2 nodes, 8 CPUs");
});

test("describeWorkers - fits into 100 columns, whatever names and errors are like", () => {
  const long = "x".repeat(300);
  const server = { ...SERVER, actorName: long, isEnded: true, build: "0.1.0-with-a-long-build-name" };
  const names = {
    name: long,
    host: long,
    queues: [long, long],
    pid: 4_194_304,
    leads: true,
    state: "DRAINING" as const,
  };
  const numbers = { running: 1000, slots: 1000, pending: 9999, heartbeatAgeSeconds: 7_100 };
  const text = describeWorkers([{ ...worker(), ...names, ...numbers, server, lastError: long, lastErrorAt: AT }]);
  expect(Math.max(...text.split("\n").map((line) => line.length))).toBeLessThanOrEqual(100);
  expect(describeWorkers([])).toBe("No workers.");
});
