import type { Command } from "commander";
import { dev } from "../dev/dev.ts";
import { createLogger } from "../logger.ts";
import { npxPid } from "../parent.ts";
import type { Runner } from "../worker/index.ts";
import { collect, parseNumber } from "./context.ts";
import { stopSignals } from "./stop-signals.ts";

interface Options {
  readonly tasks?: readonly string[];
  readonly queue?: readonly string[];
  readonly concurrency?: string;
  readonly runner?: string;
  readonly python?: string;
  readonly temporary?: boolean;
  readonly quiet?: boolean;
  readonly dieWithParent?: boolean;
  readonly verbose?: boolean;
}

export function devCommand(program: Command): void {
  program
    .command("dev")
    .argument("[command...]", "after --: run this against it, then stop everything and exit with its status")
    .description("embedded Postgres, a local Ray, sidecar and worker in one command, until Ctrl-C")
    .option("--tasks <module>", "Python module with tasks; several by comma (or RAYFERRY_TASKS)", collect)
    .option("--queue <name>", "queue to take from; several by comma (default: default)", collect)
    .option("--concurrency <n>", "most executions at once (default: this machine's CPUs)")
    .option("--runner <runner>", "local or sync (default: local)")
    .option("--python <path>", "interpreter (or RAYFERRY_PYTHON; default: the virtual environment here, python3)")
    .option("--temporary", "keep no data")
    .option("--quiet", "log warnings and errors only")
    .option("--die-with-parent", "stop when the process that started this is gone")
    .option("--verbose", "stack traces and debug logs")
    .action(async (command: readonly string[], options: Options) => {
      const logger = createLogger(options.verbose === true ? "debug" : options.quiet === true ? "warn" : "info");
      const stop = stopSignals(() => process.stderr.write("\nStopping everything. Ctrl-C again: at once.\n"));
      process.exitCode = await dev(
        {
          tasks: options.tasks ?? collect(process.env["RAYFERRY_TASKS"] ?? ""),
          folder: process.cwd(),
          temporary: options.temporary === true,
          command,
          parentPid: options.dieWithParent === true ? process.ppid : npxPid(),
          logger,
          print: (text) => process.stdout.write(`${text}\n`),
          ...(options.queue === undefined ? {} : { queues: options.queue }),
          ...(options.concurrency === undefined
            ? {}
            : { concurrency: parseNumber(options.concurrency, "--concurrency") }),
          ...(options.runner === undefined ? {} : { runner: options.runner as Runner }),
          ...(options.python === undefined ? {} : { python: options.python }),
        },
        stop,
      );
    });
}
