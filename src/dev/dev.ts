/**
 * `rayferry dev`: embedded Postgres, a local Ray, the sidecar and a worker in one command. What it starts ends with it: cleanly on Ctrl-C, by the
 * guardian and the sidecar's own watch when it is killed.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { ConfigurationError } from "../errors.ts";
import type { Logger } from "../logger.ts";
import { watchParent } from "../parent.ts";
import { migrate } from "../store/migrate.ts";
import { type Ready, type Runner, Worker } from "../worker/index.ts";
import { checkWorkerOptions } from "../worker/options.ts";
import { banner, nextSteps } from "./banner.ts";
import { type Guardian, startGuardian } from "./guardian.ts";
import { type RunningPostgres, startPostgres } from "./postgres.ts";
import { choosePort, makeDevFolder, writeDevState } from "./state-file.ts";
import { TaskWatcher } from "./watch.ts";

export interface DevOptions {
  readonly tasks: readonly string[];
  readonly queues?: readonly string[];
  readonly concurrency?: number;
  readonly runner?: Runner;
  readonly python?: string;
  /** The project: task modules are looked for here, data is kept in its `.rayferry`. */
  readonly folder: string;
  /** Keep no data. */
  readonly temporary: boolean;
  /** Run this with RAYFERRY_DATABASE_URL set, and stop when it ends. */
  readonly command: readonly string[];
  /** End when this process is no longer our parent, so that nothing outlives a killed `make`. */
  readonly parentPid: number | null;
  readonly logger: Logger;
  /** For people: where things are. */
  readonly print: (text: string) => void;
}

/** Everything that runs, in the order in which it is stopped. */
interface Running {
  guardian: Guardian | null;
  postgres: RunningPostgres | null;
  worker: Worker | null;
  watcher: TaskWatcher | null;
  child: ChildProcess | null;
  temporaryFolder: string | null;
}

/** Runs until the signal or the command's end; answers the exit status. */
export async function dev(options: DevOptions, signal: AbortSignal): Promise<number> {
  const running: Running = {
    guardian: null,
    postgres: null,
    worker: null,
    watcher: null,
    child: null,
    temporaryFolder: null,
  };
  const orphaned = watchParent(options.parentPid);
  const over = AbortSignal.any([signal, orphaned.signal]);
  try {
    const databaseUrl = await start(options, running, over);
    if (over.aborted) return 0;
    const failed = running.worker?.failed.then((error) => Promise.reject(error)) ?? untilAborted(over);
    if (options.command.length > 0)
      return await Promise.race([runCommand(options, running, databaseUrl, over), failed.then(() => 1)]);
    await Promise.race([untilAborted(over), failed]);
    return 0;
  } catch (error) {
    if (over.aborted) return 0;
    throw error;
  } finally {
    orphaned.stop();
    await stop(running);
  }
}

async function start(options: DevOptions, running: Running, over: AbortSignal): Promise<string> {
  const begun = performance.now();
  // Mistyped options are refused before anything is started.
  if (options.runner === "cluster") {
    throw new ConfigurationError("dev runs with --runner local or sync. For a cluster, start `rayferry worker`.");
  }
  checkWorkerOptions(workerOptions(options, "postgres://checked-later"));
  const guardian = startGuardian();
  running.guardian = guardian;
  const port = options.temporary ? undefined : await choosePort(options.folder);
  const dataDir = options.temporary ? temporaryFolder(running) : join(makeDevFolder(options.folder), "postgres");
  options.print("Starting Postgres ...");
  const postgres = await startPostgres({
    dataDir,
    persistent: !options.temporary,
    guardian,
    ...(port === undefined ? {} : { port }),
  });
  running.postgres = postgres;
  over.throwIfAborted();
  await migrate({ databaseUrl: postgres.url });
  over.throwIfAborted();
  options.print(`Starting ${options.runner === "sync" ? "" : "Ray, "}the sidecar and a worker ...`);
  const worker = new Worker(workerOptions(options, postgres.url));
  running.worker = worker;
  const watcher = new TaskWatcher(options.folder, (file) => void worker.restart(`${file} changed`));
  running.watcher = watcher;
  let first = true;
  over.addEventListener("abort", () => void worker.stop(0), { once: true });
  const ready = await worker.start((each) => {
    watcher.follow(
      options.tasks,
      each.registry.tasks.map((task) => task.file),
    );
    const tasks = each.registry.tasks.map((task) => task.name);
    if (!first) options.logger.info({ pid: each.sidecarPid, tasks }, "the sidecar is up again");
    first = false;
  });
  over.throwIfAborted();
  announce(options, worker, ready, postgres.url, dataDir, (performance.now() - begun) / 1000);
  return postgres.url;
}

function announce(
  options: DevOptions,
  worker: Worker,
  ready: Ready,
  databaseUrl: string,
  dataDir: string,
  seconds: number,
): void {
  const keptIn = options.temporary ? null : relative(process.cwd(), dataDir) || dataDir;
  options.print(`${banner({ ready, settings: worker.settings, databaseUrl, keptIn, seconds })}\n`);
  if (!options.temporary) writeDevState(options.folder, databaseUrl);
  if (options.command.length === 0) options.print(`${nextSteps(ready.registry.tasks)}\n`);
}

function workerOptions(options: DevOptions, databaseUrl: string) {
  const { queues, concurrency, runner, python } = options;
  return {
    databaseUrl,
    tasks: options.tasks,
    // Two projects on one machine don't meet.
    name: `dev-${createHash("sha256").update(options.folder).digest("hex").slice(0, 6)}`,
    folder: options.folder,
    logger: options.logger,
    grace: 0,
    // In a terminal the file is corrected and saved; a program to be run would wait in vain.
    allowNoTasks: options.command.length === 0,
    ...(queues === undefined ? {} : { queues }),
    ...(concurrency === undefined ? {} : { concurrency }),
    ...(runner === undefined ? {} : { runner }),
    ...(python === undefined ? {} : { python }),
  };
}

function temporaryFolder(running: Running): string {
  running.temporaryFolder = mkdtempSync(join(tmpdir(), "rayferry-dev-"));
  running.guardian?.removeFolder(running.temporaryFolder);
  return join(running.temporaryFolder, "postgres");
}

async function runCommand(
  options: DevOptions,
  running: Running,
  databaseUrl: string,
  over: AbortSignal,
): Promise<number> {
  const [program, ...rest] = options.command;
  if (program === undefined) return 0;
  const child = spawn(program, rest, {
    cwd: options.folder,
    stdio: "inherit",
    env: { ...process.env, RAYFERRY_DATABASE_URL: databaseUrl },
  });
  running.child = child;
  if (child.pid !== undefined) running.guardian?.watch(child.pid, "SIGTERM");
  return await new Promise<number>((resolve, reject) => {
    child.once("error", (error) =>
      reject(new ConfigurationError(`The command ${program} can't be started: ${error.message}.`, { cause: error })),
    );
    child.once("exit", (code, signal) => resolve(code ?? (signal === null ? 1 : 128)));
    over.addEventListener("abort", () => resolve(130), { once: true });
  });
}

async function stop(running: Running): Promise<void> {
  const { guardian, postgres, worker, watcher, child, temporaryFolder: folder } = running;
  watcher?.close();
  if (child !== null && child.exitCode === null && child.signalCode === null) await endChild(child);
  await worker?.stop(0);
  await postgres?.stop();
  if (folder !== null) rmSync(folder, { recursive: true, force: true });
  await guardian?.close();
}

async function endChild(child: ChildProcess): Promise<void> {
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  child.kill("SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), 3_000);
  await ended;
  clearTimeout(timer);
}

function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
