import type { Command } from "commander";
import { didYouMean } from "../suggest.ts";
import { type CommonOptions, print, withBackend, withCommonOptions } from "./context.ts";

export function resumeCommand(program: Command): void {
  withCommonOptions(
    program.command("resume").argument("<queue>").description("claim from a paused queue again"),
  ).action(async (queue: string, options: CommonOptions) => {
    await withBackend(options, async (backend) => {
      const resumed = await backend.resumeQueue(queue);
      print(
        options,
        { name: queue, resumed },
        resumed
          ? `The queue "${queue}" is claimed from again.`
          : `The queue "${queue}" wasn't paused.${await whichAre(backend.queues(), queue)}`,
      );
    });
  });
}

async function whichAre(
  queues: Promise<readonly { readonly name: string; readonly pausedAt: Date | null }[]>,
  queue: string,
): Promise<string> {
  const paused = (await queues).filter(({ pausedAt }) => pausedAt !== null).map(({ name }) => name);
  if (paused.length === 0) return " No queue is.";
  return `${didYouMean(queue, paused)} Paused: ${paused.join(", ")}.`;
}
