import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { freePort } from "../../src/dev/free-port.ts";
import { waitFor } from "./wait-for.ts";

const RAY = fileURLToPath(new URL("../../.venv/bin/ray", import.meta.url));

export interface RayHead {
  readonly address: string;
  stop(): Promise<void>;
}

/** A Ray head as an operator would have it, started by `ray start`; it knows nothing of rayferry. */
export async function startRayHead(env: Readonly<Record<string, string>>, cpus = 2): Promise<RayHead> {
  const folder = await mkdtemp(join(tmpdir(), "rh-"));
  const port = await freePort();
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
      `--temp-dir=${folder}`,
    ],
    {
      env: { ...process.env, ...env, RAY_AUTH_MODE: "disabled", RAY_USAGE_STATS_ENABLED: "0", HOME: folder },
      stdio: "ignore",
      detached: true,
    },
  );
  await waitFor("the head listens", () => canConnect(port), 30_000);
  return { address: `127.0.0.1:${port}`, stop: () => stop(child, folder) };
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
