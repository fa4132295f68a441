import type { Command } from "commander";
import type { RayTaskBackend } from "../backend.ts";
import type { EnqueueOptions } from "../enqueue-options.ts";
import { type CommonOptions, parseJson, parseNumber, withBackend, withCommonOptions } from "./context.ts";

interface Options extends CommonOptions {
  readonly input?: string;
  readonly queue?: string;
  readonly priority?: string;
  readonly delay?: string;
  readonly id?: string;
  readonly timeout?: string;
  readonly queueTimeout?: string;
  readonly maxAttempts?: string;
}

export function enqueueCommand(program: Command): void {
  withCommonOptions(
    program.command("enqueue").argument("<task>", "registered name").description("write an execution; prints its id"),
  )
    .option("--input <json>", "an object: keyword arguments; an array: positional ones (default: {})")
    .option("--queue <name>", "default: the task's own")
    .option("--priority <n>", "higher first (default: 0)")
    .option("--delay <seconds>", "not before then")
    .option("--id <uuid>", "repeating it is harmless")
    .option("--timeout <seconds>", "an attempt may run so long (default: the task's own, else for ever)")
    .option(
      "--queue-timeout <seconds>",
      "EXPIRED if it hasn't begun so long after it was due (default: the task's own)",
    )
    .option("--max-attempts <n>", "tries, the first one included (default: the task's own, else 1)")
    .action(async (task: string, options: Options) => {
      const input = options.input === undefined ? {} : parseJson(options.input, "--input");
      const id = await withBackend(options, async (backend) => {
        const execution = await backend.enqueue(task, input, toEnqueueOptions(options));
        await warnWithoutWorker(backend, execution.queue);
        return execution.id;
      });
      // For scripts: always JSON.
      process.stdout.write(`${JSON.stringify({ id })}\n`);
    });
}

/** A mistyped queue waits for ever, and nothing is wrong with that: say it. */
async function warnWithoutWorker(backend: RayTaskBackend, queue: string): Promise<void> {
  const workers = await backend.workers();
  if (workers.some((each) => each.state === "READY" && each.queues.includes(queue))) return;
  process.stderr.write(`rayferry: no live worker takes from the queue "${queue}": it waits until one does.\n`);
}

function toEnqueueOptions(options: Options): EnqueueOptions {
  return {
    ...(options.queue === undefined ? {} : { queue: options.queue }),
    ...(options.priority === undefined ? {} : { priority: parseNumber(options.priority, "--priority") }),
    ...(options.delay === undefined ? {} : { delay: parseNumber(options.delay, "--delay") }),
    ...(options.timeout === undefined ? {} : { timeout: parseNumber(options.timeout, "--timeout") }),
    ...(options.queueTimeout === undefined
      ? {}
      : { queueTimeout: parseNumber(options.queueTimeout, "--queue-timeout") }),
    ...(options.maxAttempts === undefined ? {} : { maxAttempts: parseNumber(options.maxAttempts, "--max-attempts") }),
    ...(options.id === undefined ? {} : { id: options.id }),
  };
}
