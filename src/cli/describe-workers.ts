import type { RayFacts, TaskWorkerLease } from "../worker-lease.ts";
import { table } from "./format.ts";

/** Columns that a terminal has, at the least. */
const WIDTH = 100;
const INDENT = "    ";
/** Characters of names, queues and hosts: as many as fit. */
const LENGTHS = [60, 40, 24, 16, 12, 10];

const GIB = 1024 ** 3;

/** Workers for people: a line each, and below it what else its lease tells. */
export function describeWorkers(workers: readonly TaskWorkerLease[]): string {
  if (workers.length === 0) return "No workers.";
  const tables = LENGTHS.map((length) => tableOf(workers, length));
  const [head = "", ...lines] =
    tables.find((each) => each.every((line) => line.length <= WIDTH)) ?? tables.at(-1) ?? [];
  const details = workers.map((each) => detailsOf(each).map((line) => INDENT + shortened(line, WIDTH - INDENT.length)));
  return [head, ...lines.flatMap((line, index) => [line, ...(details[index] ?? [])])].join("\n");
}

/** Head and a line each. */
function tableOf(workers: readonly TaskWorkerLease[], length: number): string[] {
  const rows = workers.map((each) => [
    shortened(each.name, length),
    each.leads ? `${each.state}, leads` : each.state,
    `${each.running}/${each.slots ?? "?"}`,
    String(each.submitted + each.pending),
    shortened(each.queues.join(","), length),
    `${shortened(each.host, length)}:${each.pid}`,
    `${age(each.heartbeatAgeSeconds)} ago`,
  ]);
  return table(["NAME", "STATE", "RUNNING", "WAITING", "QUEUES", "HOST:PID", "BEAT"], rows).split("\n");
}

function detailsOf(worker: TaskWorkerLease): string[] {
  const { lastError, lastErrorAt, state } = worker;
  const lines = [describeServer(worker), worker.ray === null ? null : describeRay(worker.ray)];
  if (lastError !== null) {
    const word = state === "STARTING" ? "waits" : "last error";
    lines.push(`${word}${lastErrorAt === null ? "" : `, ${clock(lastErrorAt)}`}: ${lastError.split("\n")[0] ?? ""}`);
  } else if (state === "STARTING") {
    lines.push("waits: for its server to be there");
  }
  if (worker.drainRequestedAt !== null && state !== "STOPPED" && state !== "LOST") {
    const held = worker.submitted + worker.pending + worker.running;
    lines.push(`drains since ${clock(worker.drainRequestedAt)}: ${held === 0 ? "nothing is left" : `${held} left`}`);
  }
  if (worker.refused > 0) lines.push(`late write-backs that were refused: ${worker.refused}`);
  return lines.filter((line) => line !== null);
}

function describeServer({ server, sidecarPid, accepting }: TaskWorkerLease): string | null {
  if (server === null) return null;
  const place = server.actorName === null ? "" : " in an actor";
  const state = server.isEnded ? ", ended" : accepting === false ? ", takes no more now" : "";
  const sidecar = sidecarPid === null || sidecarPid === server.pid ? "" : `, sidecar pid ${sidecarPid}`;
  return `server${place}: pid ${server.pid}, ${server.build}${state}${sidecar}`;
}

function describeRay(ray: RayFacts): string {
  const where = `Ray ${ray.version ?? ""}`.trim() + (ray.address === null ? "" : ` at ${ray.address}`);
  const have = [
    ray.nodes === null ? null : `${ray.nodes} ${ray.nodes === 1 ? "node" : "nodes"}`,
    share(ray.cpusFree, ray.cpus, "CPUs"),
    ray.gpus === 0 ? null : share(ray.gpusFree, ray.gpus, "GPUs"),
    share(gib(ray.memoryFree), gib(ray.memory), "GiB"),
  ].filter((each) => each !== null);
  return `${where}: ${ray.reachable ? "" : "UNREACHABLE; last seen with "}${have.join(", ")}`;
}

function share(free: number | null, all: number | null, what: string): string | null {
  if (all === null) return null;
  return free === null ? `${rounded(all)} ${what}` : `${rounded(free)} of ${rounded(all)} ${what} free`;
}

const gib = (bytes: number | null) => (bytes === null ? null : bytes / GIB);
const rounded = (value: number) => String(Math.round(value * 10) / 10);

function age(seconds: number): string {
  if (seconds < 120) return `${Math.max(0, Math.round(seconds))} s`;
  return seconds < 7_200 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3_600)} h`;
}

const clock = (date: Date) => `${date.toISOString().slice(11, 19)} UTC`;

function shortened(text: string, length: number): string {
  return text.length > length ? `${text.slice(0, length - 3)}...` : text;
}
