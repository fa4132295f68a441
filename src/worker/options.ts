import { hostname } from "node:os";
import { checkQueueName } from "../enqueue-options.ts";
import { ConfigurationError, OptionNotSupportedError } from "../errors.ts";
import type { Logger } from "../logger.ts";
import { checkServerAddress, type ServerAddress, type ServerAddressOptions } from "../server-address.ts";
import { ORPHAN_GRACE_SECONDS } from "../store/lease.ts";
import type { Keep } from "../store/prune.ts";
import { didYouMean } from "../suggest.ts";
import { checkRetention, type RetentionOptions } from "./retention.ts";

export const RUNNERS = ["local", "cluster", "sync"] as const;
/** Where the work runs: a Ray of our own, an existing Ray cluster, or the sidecar itself without Ray (tests, debugging). */
export type Runner = (typeof RUNNERS)[number];
/** In the design and not built yet. */
const RUNNERS_NOT_YET = ["job"];

export interface WorkerOptions extends ServerAddressOptions, RetentionOptions {
  readonly databaseUrl: string;
  /** Python modules that register tasks; none with `server`, which has its own. */
  readonly tasks?: readonly string[];
  /** Default: the host name. Shared by its incarnations; two live workers of one database can't share it. */
  readonly name?: string;
  /** Queues it takes from; default `["default"]`. */
  readonly queues?: readonly string[];
  /** Most executions held at once; default: the cluster's CPUs. */
  readonly concurrency?: number;
  /** Default: `cluster` with a Ray address, else `local`. */
  readonly runner?: Runner;
  /** `host:port` of an existing Ray head's GCS, or `ray://host:port` of its client server where this machine is no node of the cluster; for `cluster`. */
  readonly rayAddress?: string;
  /** For `cluster`: the server lives in the sidecar process, and its work ends with it; default false, it lives in an actor and outlives the worker. */
  readonly attached?: boolean;
  /** Seconds for which a server in an actor lets its work go on while no worker is there; default 600. */
  readonly orphanGrace?: number;
  /** Where that actor lives: `head`, `node` (the worker's own), or a Ray node's id, address or host name; default: on a node that outlives the worker. */
  readonly hostOn?: string;
  /** The Python interpreter; default: RAYFERRY_PYTHON, the active or the folder's virtual environment, `python3`. */
  readonly python?: string;
  /** Where the task modules are looked for; default: the working directory. */
  readonly folder?: string;
  /** Seconds that running work gets at a stop; default 30. */
  readonly grace?: number;
  /** Seconds from the interrupt of a cancel to the kill; default 5. */
  readonly cancelGrace?: number;
  /** Past a transaction pooler in `databaseUrl`, for notifications alone. */
  readonly listenUrl?: string;
  /** The schema of rayferry's tables; default `rayferry`. */
  readonly schema?: string;
  /** Start although no module registered a task, as `dev` does, where a file is about to be corrected; default false. */
  readonly allowNoTasks?: boolean;
  /** A file to which each claim is appended as a line of JSON, for checking their order afterwards; default none. */
  readonly claimJournal?: string;
  readonly logger?: Logger;
}

interface CommonSettings {
  readonly databaseUrl: string;
  readonly tasks: readonly string[];
  readonly name: string;
  readonly queues: readonly string[];
  readonly concurrency: number | null;
  readonly rayAddress: string | null;
  readonly attached: boolean;
  readonly orphanGrace: number;
  readonly hostOn: string | null;
  readonly python: string | null;
  readonly folder: string;
  readonly grace: number;
  readonly cancelGrace: number;
  /** Seconds for which what has ended is kept, by state. */
  readonly retention: Keep;
  readonly listenUrl: string | null;
  readonly schema: string | null;
  readonly allowNoTasks: boolean;
  readonly claimJournal: string | null;
}

/** A worker that starts a sidecar. */
export interface SidecarSettings extends CommonSettings {
  readonly server: null;
  readonly runner: Runner;
}

/** A worker that connects to a server which somebody started by hand. */
export interface ElsewhereSettings extends CommonSettings {
  readonly server: ServerAddress;
  /** The server's own business. */
  readonly runner: null;
}

/** The options with every default in place. */
export type WorkerSettings = SidecarSettings | ElsewhereSettings;

/** 23 days. */
const LONGEST_SECONDS = 2_000_000;
export const DEFAULT_GRACE = 30;
export const DEFAULT_CANCEL_GRACE = 5;
const KNOWN = [
  "databaseUrl",
  "tasks",
  "name",
  "queues",
  "concurrency",
  "runner",
  "rayAddress",
  "attached",
  "orphanGrace",
  "hostOn",
  "python",
  "folder",
  "grace",
  "cancelGrace",
  "keep",
  "keepFailed",
  "listenUrl",
  "schema",
  "allowNoTasks",
  "claimJournal",
  "logger",
  "server",
  "keys",
  "serverKey",
  "plainTcp",
];
/** What a worker decides only for a server of its own, and what to do instead. */
const OF_A_SIDECAR = {
  tasks: ["--tasks", "name them where the server is started: python -m rayferry server --tasks MODULE"],
  runner: ["--runner", "the server has its own"],
  rayAddress: ["--ray-address", "the server has its own"],
  attached: ["--attached", "there is no sidecar to attach a server to"],
  orphanGrace: ["--orphan-grace", "the server's work goes on for the seconds of its own --authority-seconds"],
  hostOn: ["--host-on", "the server lives where it was started"],
  python: ["--python", "no Python is started here"],
} as const;

/**
 * Checks every option and the rules between them.
 *
 * @throws ConfigurationError, OptionNotSupportedError
 */
export function checkWorkerOptions(options: WorkerOptions): WorkerSettings {
  for (const name of Object.keys(options)) {
    if (!KNOWN.includes(name))
      throw new ConfigurationError(`A worker has no option "${name}".${didYouMean(name, KNOWN)}`);
  }
  const server = checkServerAddress(options);
  if (server !== null) {
    refuseOfASidecar(options);
    const none = { tasks: [], rayAddress: null, attached: false, hostOn: null, runner: null };
    return { ...commonSettings(options), ...none, server };
  }
  const rayAddress = options.rayAddress ?? null;
  const runner = options.runner ?? (rayAddress === null ? "local" : "cluster");
  checkRunner(runner, rayAddress);
  const tasks = [...new Set(options.tasks ?? [])];
  if (tasks.length === 0)
    throw new ConfigurationError("Name at least one Python module with tasks: --tasks MODULE (or RAYFERRY_TASKS).");
  for (const module of tasks) checkModule(module);
  const attached = checkAttached(options.attached ?? false, runner, rayAddress);
  const hostOn = checkHostOn(options.hostOn ?? null, runner, attached, rayAddress);
  return { ...commonSettings(options), tasks, rayAddress, attached, hostOn, server, runner };
}

function commonSettings(options: WorkerOptions): Omit<CommonSettings, "tasks" | "rayAddress" | "attached" | "hostOn"> {
  const queues = [...new Set(options.queues ?? ["default"])];
  if (queues.length === 0) throw new ConfigurationError("A worker needs at least one queue.");
  queues.forEach(checkQueueName);
  return {
    databaseUrl: options.databaseUrl,
    name: checkName(options.name ?? hostname()),
    queues,
    concurrency: options.concurrency === undefined ? null : wholeNumber("concurrency", options.concurrency, 1, 100_000),
    orphanGrace: seconds("orphanGrace", options.orphanGrace ?? ORPHAN_GRACE_SECONDS),
    python: options.python ?? null,
    folder: options.folder ?? process.cwd(),
    grace: seconds("grace", options.grace ?? DEFAULT_GRACE),
    cancelGrace: seconds("cancelGrace", options.cancelGrace ?? DEFAULT_CANCEL_GRACE),
    retention: checkRetention(options),
    listenUrl: options.listenUrl ?? null,
    schema: options.schema ?? null,
    allowNoTasks: options.allowNoTasks ?? false,
    claimJournal: options.claimJournal ?? null,
  };
}

function refuseOfASidecar(options: WorkerOptions): void {
  for (const [name, [option, instead]] of Object.entries(OF_A_SIDECAR)) {
    const given = options[name as keyof typeof OF_A_SIDECAR];
    if (given === undefined || given === false || (Array.isArray(given) && given.length === 0)) continue;
    throw new ConfigurationError(`${option} doesn't go with --server (or RAYFERRY_SERVER): ${instead}.`);
  }
}

function checkRunner(runner: string, rayAddress: string | null): void {
  if (RUNNERS_NOT_YET.includes(runner)) {
    throw new OptionNotSupportedError(
      `The runner ${JSON.stringify(runner)} isn't built yet in this version of rayferry. Use local, cluster or sync.`,
    );
  }
  if (!RUNNERS.some((each) => each === runner)) {
    throw new ConfigurationError(
      `There is no runner ${JSON.stringify(runner)}.${didYouMean(runner, RUNNERS)} Runners: ${RUNNERS.join(", ")}.`,
    );
  }
  if (runner === "cluster" && rayAddress === null)
    throw new ConfigurationError(
      "The runner cluster needs the address of a Ray head: --ray-address HOST:PORT (or RAYFERRY_RAY_ADDRESS).",
    );
  if (runner !== "cluster" && rayAddress !== null)
    throw new ConfigurationError(`A Ray address goes with the runner cluster, not with ${runner}.`);
  if (rayAddress !== null && !/^(ray:\/\/)?[^\s:/]+:\d{1,5}$/.test(rayAddress)) {
    throw new ConfigurationError(
      `A Ray address looks like 10.0.0.1:6379 (host and port of the head's GCS), or ray://10.0.0.1:10001 for Ray's client, not ${JSON.stringify(rayAddress)}.`,
    );
  }
}

function checkAttached(attached: boolean, runner: string, rayAddress: string | null): boolean {
  if (attached && rayAddress?.startsWith("ray://"))
    throw new ConfigurationError(
      "attached doesn't go with a ray:// address: nothing is submitted through Ray's client, so the server lives in an actor. Leave out --attached, or join the cluster and give the address of its GCS, HOST:6379.",
    );
  if (attached && runner !== "cluster")
    throw new ConfigurationError(
      `attached goes with the runner cluster: with ${runner} the server lives in the sidecar anyway.`,
    );
  return attached;
}

function checkHostOn(
  hostOn: string | null,
  runner: string,
  attached: boolean,
  rayAddress: string | null,
): string | null {
  if (hostOn === null) return null;
  if (hostOn === "node" && rayAddress?.startsWith("ray://"))
    throw new ConfigurationError(
      "--host-on node means the worker's own node, and with a ray:// address it has none. Name head, or a Ray node's id, address or host name.",
    );
  if (runner !== "cluster" || attached)
    throw new ConfigurationError(
      `--host-on says where the server's actor lives, and ${attached ? "an attached worker" : `the runner ${runner}`} has none: its server lives in the sidecar. Leave it out.`,
    );
  if (/^[A-Za-z0-9][A-Za-z0-9_.:-]*$/.test(hostOn)) return hostOn;
  throw new ConfigurationError(
    `--host-on takes head, node, or a Ray node's id, address or host name, not ${JSON.stringify(hostOn)}.`,
  );
}

function checkModule(module: string): void {
  const isFile = module.endsWith(".py");
  if (!isFile && /^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$/.test(module)) return;
  const hint = isFile
    ? ` Did you mean ${JSON.stringify(module.replace(/^\.\//, "").replace(/\.py$/, "").replaceAll("/", "."))}?`
    : "";
  throw new ConfigurationError(
    `--tasks takes Python module names like "my_tasks" or "shop.tasks", not ${JSON.stringify(module)}.${hint}`,
  );
}

function checkName(name: string): string {
  if (/^[A-Za-z0-9_.-]{1,63}$/.test(name)) return name;
  throw new ConfigurationError(
    `A worker's name must be 1 to 63 of the characters A-Z a-z 0-9 _ . -, not ${JSON.stringify(name)}.`,
  );
}

function wholeNumber(name: string, value: number, least: number, most: number): number {
  if (Number.isInteger(value) && value >= least && value <= most) return value;
  throw new ConfigurationError(`${name} must be a whole number from ${least} to ${most}, not ${value}.`);
}

function seconds(name: string, value: number): number {
  // A timer of more than 2^31 ms would end at once.
  if (value >= 0 && value <= LONGEST_SECONDS) return value;
  throw new ConfigurationError(`${name} must be a number of seconds from 0 to ${LONGEST_SECONDS}, not ${value}.`);
}
