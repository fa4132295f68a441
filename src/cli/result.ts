import type { Command } from "commander";
import { ExecutionFailedError, ResultTimeoutError } from "../errors.ts";
import { isLive } from "../task-state.ts";
import { type CommonOptions, parseNumber, print, withBackend, withCommonOptions } from "./context.ts";

interface Options extends CommonOptions {
  readonly wait?: string;
}

export function resultCommand(program: Command): void {
  withCommonOptions(
    program
      .command("result")
      .argument("<id>")
      .description("an execution's return value, as JSON; exits 1 if it didn't succeed"),
  )
    .option("--wait <seconds>", "wait this long for its end (default: not at all)")
    .action(async (id: string, options: Options) => {
      const timeout = options.wait === undefined ? 0 : parseNumber(options.wait, "--wait");
      await withBackend(options, async (backend) => {
        const execution = await backend.get(id);
        if (timeout === 0 && isLive(execution.state)) {
          throw new ResultTimeoutError(`Execution ${id} is ${execution.state}. Wait for it with --wait SECONDS.`);
        }
        try {
          const value = await execution.result(timeout === 0 ? {} : { timeout });
          print({ ...options, json: true }, value ?? null, "");
        } catch (error) {
          if (error instanceof ExecutionFailedError && error.traceback !== null && options.json !== true)
            process.stderr.write(`${error.traceback.trimEnd()}\n\n`);
          throw error;
        }
      });
    });
}
