import type { Command } from "commander";
import { type CommonOptions, print, withBackend, withCommonOptions } from "./context.ts";
import { table } from "./format.ts";

interface Options extends CommonOptions {
  readonly queue?: string;
}

export function statsCommand(program: Command): void {
  withCommonOptions(program.command("stats").description("how many executions are in each state"))
    .option("--queue <name>", "only of this queue")
    .action(async (options: Options) => {
      const counts = await withBackend(options, (backend) =>
        backend.stats(options.queue === undefined ? {} : { queue: options.queue }),
      );
      print(
        options,
        counts,
        table(
          ["STATE", "COUNT"],
          Object.entries(counts).map(([state, count]) => [state, String(count)]),
        ),
      );
    });
}
