#!/usr/bin/env node
import { Command, CommanderError } from "commander";
import { ConfigurationError, RayferryError } from "../errors.ts";
import { VERSION } from "../package.ts";
import { cancelCommand } from "./cancel.ts";
import { deleteCommand } from "./delete.ts";
import { devCommand } from "./dev.ts";
import { drainCommand } from "./drain.ts";
import { enqueueCommand } from "./enqueue.ts";
import { keysCommand } from "./keys.ts";
import { listCommand } from "./list.ts";
import { migrateCommand } from "./migrate.ts";
import { pauseCommand } from "./pause.ts";
import { queuesCommand } from "./queues.ts";
import { rerunCommand } from "./rerun.ts";
import { resultCommand } from "./result.ts";
import { resumeCommand } from "./resume.ts";
import { retryCommand } from "./retry.ts";
import { showCommand } from "./show.ts";
import { statsCommand } from "./stats.ts";
import { workerCommand } from "./worker.ts";
import { workersCommand } from "./workers.ts";

const COMMANDS = [
  devCommand,
  workerCommand,
  migrateCommand,
  enqueueCommand,
  listCommand,
  showCommand,
  resultCommand,
  statsCommand,
  cancelCommand,
  retryCommand,
  rerunCommand,
  deleteCommand,
  queuesCommand,
  pauseCommand,
  resumeCommand,
  workersCommand,
  drainCommand,
  keysCommand,
];
/** Exit status of a mistyped command line; everything else that fails exits 1. */
const USAGE = 2;

async function main(): Promise<void> {
  const [major = 0] = process.versions.node.split(".").map(Number);
  if (major < 22)
    throw new ConfigurationError(
      `rayferry needs Node 22 or newer; this is ${process.version}. In a checkout, \`make setup\` brings one and \`npx rayferry\` uses it.`,
    );
  const program = new Command("rayferry")
    .description("Durable Python tasks on a Ray cluster, from Node.")
    .version(VERSION)
    .showSuggestionAfterError()
    .enablePositionalOptions()
    .configureOutput({ outputError: (text, write) => write(text.replace(/^error:/, "rayferry:")) })
    .exitOverride();
  for (const add of COMMANDS) add(program);
  for (const command of program.commands) command.exitOverride().copyInheritedSettings(program);
  await program.parseAsync();
}

/** One sentence for people; the stack and the cause with --verbose; a JSON document with --json. */
function report(error: unknown): void {
  if (error instanceof CommanderError) {
    process.exitCode = error.exitCode === 0 ? 0 : USAGE;
    return;
  }
  process.exitCode = error instanceof ConfigurationError ? USAGE : 1;
  const known = error instanceof RayferryError;
  if (process.argv.includes("--json")) {
    const document = {
      error: {
        code: known ? error.code : "UNEXPECTED",
        message: error instanceof Error ? error.message : String(error),
      },
    };
    process.stdout.write(`${JSON.stringify(document)}\n`);
  }
  if (process.argv.includes("--verbose") || !known) console.error(error);
  else process.stderr.write(`rayferry: ${error.message}\n`);
}

try {
  await main();
} catch (error) {
  report(error);
}
