import type { Command } from "commander";
import { migrate } from "../store/migrate.ts";
import { type CommonOptions, databaseUrlOf, print, withCommonOptions } from "./context.ts";

export function migrateCommand(program: Command): void {
  withCommonOptions(
    program
      .command("migrate")
      .description("bring the database up to this version; safe to run at once from several places"),
  ).action(async (options: CommonOptions) => {
    const schema = options.schema;
    const report = await migrate({ databaseUrl: databaseUrlOf(options), ...(schema === undefined ? {} : { schema }) });
    print(
      options,
      report,
      report.applied === 0
        ? `Nothing to do: all ${report.total} migrations are there.`
        : `Applied ${report.applied} of ${report.total} migrations.`,
    );
  });
}
