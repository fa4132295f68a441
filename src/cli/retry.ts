import type { Command } from "commander";
import { type CommonOptions, print, withBackend, withCommonOptions } from "./context.ts";

export function retryCommand(program: Command): void {
  withCommonOptions(
    program
      .command("retry")
      .argument("<id>")
      .description("queue again what has ended and not SUCCEEDED, with one more attempt allowed"),
  ).action(async (id: string, options: CommonOptions) => {
    const { state, attempt, maxAttempts } = await withBackend(options, (backend) => backend.retry(id));
    print(options, { id, state, attempt, maxAttempts }, `${id} is ${state} again, for attempt ${attempt + 1}.`);
  });
}
