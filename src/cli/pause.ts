import type { Command } from "commander";
import { type CommonOptions, print, withBackend, withCommonOptions } from "./context.ts";

interface Options extends CommonOptions {
  readonly reason?: string;
}

export function pauseCommand(program: Command): void {
  withCommonOptions(
    program
      .command("pause")
      .argument("<queue>")
      .description("claim nothing more from a queue until it is resumed; what runs goes on"),
  )
    .option("--reason <text>", "shown with what waits")
    .action(async (queue: string, options: Options) => {
      await withBackend(options, async (backend) => {
        const paused = await backend.pauseQueue(queue, options.reason === undefined ? {} : { reason: options.reason });
        const { ready, scheduled, held, workers } = (await backend.queues()).find(({ name }) => name === queue) ?? {
          ready: 0,
          scheduled: 0,
          held: 0,
          workers: 0,
        };
        if (ready + scheduled + held + workers === 0)
          process.stderr.write(
            `rayferry: no execution is in the queue "${queue}", and no live worker takes from it.\n`,
          );
        const since = paused.pausedAt?.toISOString();
        print(
          options,
          paused,
          `The queue "${queue}" is paused since ${since}; ${ready + scheduled} wait, ${held} run.`,
        );
      });
    });
}
