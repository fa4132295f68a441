import type { Command } from "commander";
import type { RayferryError } from "../errors.ts";
import { createLogger, type Logger } from "../logger.ts";
import { npxPid, watchParent } from "../parent.ts";
import { type ServerAddressOptions, withEnvironment } from "../server-address.ts";
import { ORPHAN_GRACE_SECONDS } from "../store/lease.ts";
import { DEFAULT_CANCEL_GRACE, DEFAULT_GRACE, type Ready, type Runner, Worker } from "../worker/index.ts";
import { DEFAULT_KEEP, DEFAULT_KEEP_FAILED } from "../worker/retention.ts";
import { type CommonOptions, collect, databaseUrlOf, parseNumber, withCommonOptions } from "./context.ts";
import { stopSignals } from "./stop-signals.ts";

export interface WorkerCommandOptions extends CommonOptions, ServerAddressOptions {
  readonly tasks?: readonly string[];
  readonly name?: string;
  readonly listenUrl?: string;
  readonly queue?: readonly string[];
  readonly concurrency?: string;
  readonly runner?: string;
  readonly rayAddress?: string;
  readonly attached?: boolean;
  readonly orphanGrace?: string;
  readonly hostOn?: string;
  readonly python?: string;
  readonly grace?: string;
  readonly cancelGrace?: string;
  readonly keep?: string;
  readonly keepFailed?: string;
}

export function workerCommand(program: Command): void {
  withCommonOptions(program.command("worker").description("claim executions and run them on Ray, until stopped"))
    .option("--tasks <module>", "Python module with tasks; several by comma (or RAYFERRY_TASKS)", collect)
    .option("--name <name>", "default: the host name")
    .option("--listen-url <url>", "past a transaction pooler, for notifications alone (or RAYFERRY_LISTEN_URL)")
    .option("--queue <name>", "queue to take from; several by comma (default: default)", collect)
    .option("--concurrency <n>", "most executions at once (default: the cluster's CPUs)")
    .option("--runner <runner>", "local, cluster or sync (default: cluster with a Ray address, else local)")
    .option(
      "--ray-address <host:port>",
      "an existing Ray head; from outside the cluster ray://HOST:10001 (or RAYFERRY_RAY_ADDRESS)",
    )
    .option("--attached", "keep the server in the sidecar process: its work ends with it (default: in an actor)")
    .option(
      "--orphan-grace <seconds>",
      `for work on a cluster while no worker is there (default: ${ORPHAN_GRACE_SECONDS})`,
    )
    .option(
      "--host-on <node>",
      "where the server's actor lives: head, node (the worker's own), or a Ray node (or RAYFERRY_HOST_ON)",
    )
    .option(
      "--server <endpoint>",
      "instead of a sidecar: a server started by hand, tcp://HOST:PORT or ipc:///PATH (or RAYFERRY_SERVER)",
    )
    .option("--keys <file>", "this worker's own .key file, with --server (or RAYFERRY_KEYS)")
    .option("--server-key <file>", "the server's .pub file, or the key itself (or RAYFERRY_SERVER_KEY)")
    .option("--plain-tcp", "INSECURE, with --server: no keys, so whoever is in between may read and change everything")
    .option("--python <path>", "interpreter (or RAYFERRY_PYTHON; default: the virtual environment here, python3)")
    .option("--grace <seconds>", `for running work at a stop (default: ${DEFAULT_GRACE})`)
    .option("--cancel-grace <seconds>", `from a cancel's interrupt to its kill (default: ${DEFAULT_CANCEL_GRACE})`)
    .option(
      "--keep <days>",
      `for what succeeded, was cancelled or expired (or RAYFERRY_KEEP; default: ${DEFAULT_KEEP})`,
    )
    .option(
      "--keep-failed <days>",
      `for what failed or is lost (or RAYFERRY_KEEP_FAILED; default: ${DEFAULT_KEEP_FAILED})`,
    )
    .action(async (options: WorkerCommandOptions) => {
      const logger = createLogger(options.verbose === true ? "debug" : "info");
      const worker = new Worker({ ...workerOptions(options), databaseUrl: databaseUrlOf(options), logger });
      const asked = stopSignals((signal) => logger.info({ signal }, "stopping"));
      const parent = watchParent(npxPid());
      parent.signal.addEventListener("abort", () => logger.info("stopping: the npx that started this is gone"));
      const stop = AbortSignal.any([asked, parent.signal]);
      const stopped = new Promise<null>((resolve) =>
        stop.addEventListener("abort", () => resolve(null), { once: true }),
      );
      const started = worker.start();
      // A stop during the start makes the start fail; that is no error.
      await Promise.race([started, stopped]);
      let failure: RayferryError | null = null;
      if (!stop.aborted) {
        announce(logger, worker, await started);
        failure = await Promise.race([stopped, worker.failed]);
      }
      await worker.stop();
      await started.catch(() => {});
      parent.stop();
      if (failure !== null) throw failure;
      logger.info("stopped");
    });
}

function announce(logger: Logger, worker: Worker, { slots, welcome, registry }: Ready): void {
  const { name, queues } = worker.settings;
  const tasks = registry.tasks.map((task) => task.name);
  const server = worker.settings.server === null ? {} : { server: worker.settings.server.endpoint };
  logger.info({ name, queues, slots, ...server, ray: welcome.cluster?.address ?? null, tasks }, "worker is ready");
}

/** The library's options of the command's. */
export function workerOptions(options: WorkerCommandOptions) {
  const address = addressOptions(options);
  // With a server elsewhere, what the environment says of tasks and Ray is for other processes.
  const env = address.server === undefined ? process.env : {};
  const tasks = options.tasks ?? collect(env["RAYFERRY_TASKS"] ?? "");
  const rayAddress =
    options.rayAddress ??
    (options.runner === undefined || options.runner === "cluster" ? env["RAYFERRY_RAY_ADDRESS"] : undefined);
  // In the environment it may be for another worker; said outright, it is for this one.
  const hasActor = (options.runner ?? (rayAddress ? "cluster" : "local")) === "cluster" && options.attached !== true;
  const claimJournal = process.env["RAYFERRY_CLAIM_JOURNAL"];
  const hostOn = options.hostOn ?? (hasActor ? env["RAYFERRY_HOST_ON"] : undefined);
  const keep = options.keep ?? process.env["RAYFERRY_KEEP"];
  const keepFailed = options.keepFailed ?? process.env["RAYFERRY_KEEP_FAILED"];
  const listenUrl = options.listenUrl ?? process.env["RAYFERRY_LISTEN_URL"];
  return {
    tasks,
    ...address,
    ...(listenUrl ? { listenUrl } : {}),
    ...(options.name === undefined ? {} : { name: options.name }),
    ...(options.queue === undefined ? {} : { queues: options.queue }),
    ...(options.concurrency === undefined ? {} : { concurrency: parseNumber(options.concurrency, "--concurrency") }),
    ...(options.runner === undefined ? {} : { runner: options.runner as Runner }),
    ...(rayAddress === undefined || rayAddress === "" ? {} : { rayAddress }),
    ...(options.attached === undefined ? {} : { attached: options.attached }),
    ...(options.orphanGrace === undefined ? {} : { orphanGrace: parseNumber(options.orphanGrace, "--orphan-grace") }),
    ...(hostOn === undefined || hostOn === "" ? {} : { hostOn }),
    ...(claimJournal === undefined || claimJournal === "" ? {} : { claimJournal }),
    ...(options.python === undefined ? {} : { python: options.python }),
    ...(options.grace === undefined ? {} : { grace: parseNumber(options.grace, "--grace") }),
    ...(options.cancelGrace === undefined ? {} : { cancelGrace: parseNumber(options.cancelGrace, "--cancel-grace") }),
    ...(keep === undefined || keep === "" ? {} : { keep: parseNumber(keep, "--keep (or RAYFERRY_KEEP)") }),
    ...(keepFailed === undefined || keepFailed === ""
      ? {}
      : { keepFailed: parseNumber(keepFailed, "--keep-failed (or RAYFERRY_KEEP_FAILED)") }),
    ...(options.schema === undefined ? {} : { schema: options.schema }),
  };
}

function addressOptions({ server, keys, serverKey, plainTcp }: WorkerCommandOptions): ServerAddressOptions {
  return withEnvironment({
    ...(server === undefined ? {} : { server }),
    ...(keys === undefined ? {} : { keys }),
    ...(serverKey === undefined ? {} : { serverKey }),
    ...(plainTcp === undefined ? {} : { plainTcp }),
  });
}
