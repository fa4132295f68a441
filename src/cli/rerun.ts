import type { Command } from "commander";
import { type CommonOptions, parseJson, print, withBackend, withCommonOptions } from "./context.ts";

interface Options extends CommonOptions {
  readonly input?: string;
  readonly id?: string;
}

export function rerunCommand(program: Command): void {
  withCommonOptions(
    program
      .command("rerun")
      .argument("<id>")
      .description("a new execution like one that has ended, SUCCEEDED too; prints its id"),
  )
    .option("--input <json>", "in place of the old input")
    .option("--id <uuid>", "of the new one: repeating the command is harmless then")
    .action(async (id: string, options: Options) => {
      const rerun = await withBackend(options, (backend) =>
        backend.rerun(id, {
          ...(options.input === undefined ? {} : { input: parseJson(options.input, "--input") }),
          ...(options.id === undefined ? {} : { id: options.id }),
        }),
      );
      print(options, { id: rerun.id, rerunOf: id }, `${rerun.id} is a rerun of ${id}.`);
    });
}
