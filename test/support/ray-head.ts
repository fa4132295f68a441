import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { freePort } from "../../src/dev/free-port.ts";
import { Output } from "./output.ts";
import { ProcessMark } from "./processes.ts";
import { waitFor } from "./wait-for.ts";

const RAY = fileURLToPath(new URL("../../.venv/bin/ray", import.meta.url));

export interface RayHead {
  readonly address: string;
  /** Where its server for Ray's client listens, seconds after the head does. */
  clientAddress(): Promise<string>;
  stop(): Promise<void>;
}

/** A Ray head as an operator would have it, started by `ray start`; it knows nothing of rayferry. */
export async function startRayHead(env: Readonly<Record<string, string>>, cpus = 2): Promise<RayHead> {
  const folder = await mkdtemp(join(tmpdir(), "rh-"));
  const port = await freePort();
  const clientPort = await freePort();
  const child = spawn(
    RAY,
    [
      "start",
      "--head",
      "--block",
      `--num-cpus=${cpus}`,
      "--include-dashboard=false",
      "--node-ip-address=127.0.0.1",
      `--port=${port}`,
      // Else each takes 10001, where only one can be.
      `--ray-client-server-port=${clientPort}`,
      `--temp-dir=${folder}`,
    ],
    {
      env: { ...process.env, ...env, RAY_AUTH_MODE: "disabled", RAY_USAGE_STATS_ENABLED: "0", HOME: folder },
      stdio: "ignore",
      detached: true,
    },
  );
  await waitFor("the head listens", () => canConnect(port), 30_000);
  return {
    address: `127.0.0.1:${port}`,
    async clientAddress() {
      await waitFor("the head's server for Ray's client listens", () => canConnect(clientPort), 30_000);
      return `ray://127.0.0.1:${clientPort}`;
    },
    stop: () => stop(child, folder),
  };
}

export interface RayNode {
  /** In the environment of a worker that is to be on this node. */
  readonly env: Readonly<Record<string, string>>;
  readonly address: string;
  /** Kills it with everything that runs on it, as the loss of a machine does. */
  kill(): Promise<void>;
}

/**
 * Another raylet of the cluster on this machine. Several of one cluster are told apart by their addresses: 127.0.0.2 and up, which Linux has without
 * being asked. What Ray does with two on one host: a driver belongs to the head's raylet unless it names the address of another; ports given by
 * default to all of a machine, those of task processes and agents, clash and so are left to the system.
 */
export async function joinRayNode(head: RayHead, address: string, cpus: number): Promise<RayNode> {
  const mark = new ProcessMark();
  const child = spawn(
    RAY,
    [
      "start",
      "--block",
      `--address=${head.address}`,
      `--num-cpus=${cpus}`,
      `--node-ip-address=${address}`,
      "--min-worker-port=0",
      "--max-worker-port=0",
      "--dashboard-agent-listen-port=0",
      "--object-store-memory=100000000",
      `--temp-dir=${mark.folder}`,
    ],
    {
      env: { ...process.env, ...mark.env, RAY_AUTH_MODE: "disabled", RAY_USAGE_STATS_ENABLED: "0", HOME: mark.folder },
      stdio: ["ignore", "pipe", "pipe"],
      detached: true,
    },
  );
  const output = new Output(child);
  await output.until(/Ray runtime started/);
  return {
    env: { RAYFERRY_RAY_NODE_IP: address },
    address,
    async kill() {
      for (const line of mark.find()) process.kill(Number.parseInt(line, 10), "SIGKILL");
      await waitFor("nothing of it is left", () => mark.find().length === 0);
      mark.clear();
    },
  };
}

async function stop(child: ChildProcess, folder: string): Promise<void> {
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  child.kill("SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), 15_000);
  await ended;
  clearTimeout(timer);
  await rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
}

function canConnect(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}
