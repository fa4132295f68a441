import type { Command } from "commander";
import { TaskState } from "../task-state.ts";
import { type CommonOptions, print, withBackend, withCommonOptions } from "./context.ts";

export function retryCommand(program: Command): void {
  withCommonOptions(
    program
      .command("retry")
      .argument("<id>")
      .description("queue again what has ended and not SUCCEEDED, with at least one more attempt allowed"),
  ).action(async (id: string, options: CommonOptions) => {
    await withBackend(options, (backend) => backend.retry(id));
    // A worker may have it already: this says what was done.
    print(options, { id, state: TaskState.QUEUED }, `${id} is QUEUED again.`);
  });
}
