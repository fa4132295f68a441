import type { Command } from "commander";
import { type CommonOptions, print, withBackend, withCommonOptions } from "./context.ts";

export function deleteCommand(program: Command): void {
  withCommonOptions(
    program.command("delete").argument("<id>").description("remove an execution that has ended, with its attempts"),
  ).action(async (id: string, options: CommonOptions) => {
    await withBackend(options, (backend) => backend.delete(id));
    print(options, { id, deleted: true }, `${id} is deleted.`);
  });
}
