import type { Command } from "commander";
import { type CommonOptions, print, withBackend, withCommonOptions } from "./context.ts";
import { describeWorkers } from "./describe-workers.ts";

export function workersCommand(program: Command): void {
  withCommonOptions(program.command("workers").description("workers that are alive, or ended in the last hour")).action(
    async (options: CommonOptions) => {
      const workers = await withBackend(options, (backend) => backend.workers());
      print(options, workers, describeWorkers(workers));
    },
  );
}
