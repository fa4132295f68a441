import type { Command } from "commander";
import type { DrainReport } from "../draining.ts";
import { type CommonOptions, parseNumber, print, withBackend, withCommonOptions } from "./context.ts";
import { table } from "./format.ts";

interface Options extends CommonOptions {
  readonly wait?: string;
}

export function drainCommand(program: Command): void {
  withCommonOptions(
    program
      .command("drain")
      .argument("<worker>", "its name")
      .description("let a worker claim no more, and wait until it holds nothing; exits 1 if the wait ran out"),
  )
    .option("--wait <seconds>", "wait at most this long (default: until nothing is left; 0: not at all)")
    .action(async (worker: string, options: Options) => {
      const wait = options.wait === undefined ? {} : { timeout: parseNumber(options.wait, "--wait") };
      const report = await withBackend(options, (backend) => backend.drain(worker, wait));
      if (!report.drained) process.exitCode = 1;
      print(options, { worker, ...report }, describe(worker, report));
    });
}

function describe(worker: string, { drained, left, executions, incarnations }: DrainReport): string {
  if (drained) return `Worker ${worker} claims no more, and nothing is left.`;
  const where = incarnations.map(({ host, pid, state }) => `${host}:${pid} is ${state}`).join(", ");
  if (left === 0)
    return `Worker ${worker} was asked to drain and holds nothing, but may still claim (${where}). Look again in 2 seconds.`;
  const rows = executions.map(({ id, task, state, claimedAt }) => [id, state, task, claimedAt.toISOString()]);
  const more = left > rows.length ? `\n... and ${left - rows.length} more` : "";
  return `Worker ${worker} still holds ${left} (${where}):\n\n${table(["ID", "STATE", "TASK", "CLAIMED"], rows)}${more}`;
}
