import type { Command } from "commander";
import { type CommonOptions, print, withBackend, withCommonOptions } from "./context.ts";
import { table } from "./format.ts";

export function workersCommand(program: Command): void {
  withCommonOptions(program.command("workers").description("workers that are alive, or ended in the last hour")).action(
    async (options: CommonOptions) => {
      const workers = await withBackend(options, (backend) => backend.workers());
      const rows = workers.map((each) => [
        each.name,
        each.state,
        `${each.running}/${each.slots ?? "?"}`,
        each.queues.join(","),
        `${each.host}:${each.pid}`,
        each.startedAt.toISOString(),
        firstLine(each.lastError ?? ""),
      ]);
      print(
        options,
        workers,
        rows.length === 0
          ? "No workers."
          : table(["NAME", "STATE", "RUNNING", "QUEUES", "HOST:PID", "STARTED", "LAST ERROR"], rows),
      );
    },
  );
}

/** A dead sidecar's last words take many lines; --json has them all. */
function firstLine(text: string): string {
  const line = text.split("\n")[0] ?? "";
  return line.length > 80 ? `${line.slice(0, 77)}...` : line;
}
