import type { Command } from "commander";
import { ExecutionError } from "../errors.ts";
import { type CommonOptions, print, withBackend, withCommonOptions } from "./context.ts";

interface Options extends CommonOptions {
  readonly reason?: string;
}

/** It had ended before: nothing was cancelled. */
class AlreadyEndedError extends ExecutionError {
  override readonly code = "ALREADY_ENDED";
}

export function cancelCommand(program: Command): void {
  withCommonOptions(
    program
      .command("cancel")
      .argument("<id>")
      .description("cancel one execution: at once if queued; interrupted, then killed if running"),
  )
    .option("--reason <text>", "kept with the execution")
    .action(async (id: string, options: Options) => {
      const execution = await withBackend(options, (backend) =>
        backend.cancel(id, options.reason === undefined ? {} : { reason: options.reason }),
      );
      if (execution.state !== "CANCELLED" && execution.state !== "CANCELLING") {
        throw new AlreadyEndedError(`Execution ${id} has ended already: ${execution.state}. Nothing was cancelled.`);
      }
      print(
        options,
        { id, state: execution.state },
        execution.state === "CANCELLED" ? `${id} is CANCELLED.` : `${id} is CANCELLING: it is being stopped.`,
      );
    });
}
