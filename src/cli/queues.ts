import type { Command } from "commander";
import { type CommonOptions, print, withBackend, withCommonOptions } from "./context.ts";
import { table } from "./format.ts";

export function queuesCommand(program: Command): void {
  withCommonOptions(
    program.command("queues").description("queues that are paused, have live executions or a live worker"),
  ).action(async (options: CommonOptions) => {
    const queues = await withBackend(options, (backend) => backend.queues());
    const rows = queues.map(({ name, ready, scheduled, held, workers, pausedAt, pauseReason }) => [
      name,
      ...[ready, scheduled, held, workers].map(String),
      pausedAt?.toISOString() ?? "",
      pauseReason ?? "",
    ]);
    print(
      options,
      queues,
      rows.length === 0
        ? "No queues."
        : table(["QUEUE", "READY", "SCHEDULED", "HELD", "WORKERS", "PAUSED SINCE", "REASON"], rows),
    );
  });
}
