import type { Command } from "commander";
import { type CommonOptions, print, withBackend, withCommonOptions } from "./context.ts";
import { describeExecution } from "./describe.ts";

export function showCommand(program: Command): void {
  withCommonOptions(program.command("show").argument("<id>").description("everything about one execution")).action(
    async (id: string, options: CommonOptions) => {
      await withBackend(options, async (backend) => {
        const execution = await backend.get(id);
        const attempts = await backend.attempts(id);
        print(options, { ...execution.toJSON(), attempts }, describeExecution(execution, attempts));
      });
    },
  );
}
