import type { Command } from "commander";
import type { TaskState } from "../task-state.ts";
import { type CommonOptions, collect, parseNumber, print, withBackend, withCommonOptions } from "./context.ts";
import { describeList } from "./describe.ts";

interface Options extends CommonOptions {
  readonly state?: readonly string[];
  readonly queue?: string;
  readonly task?: string;
  readonly tag?: string;
  readonly limit?: string;
  readonly after?: string;
}

export function listCommand(program: Command): void {
  withCommonOptions(program.command("list").description("executions, newest first"))
    .option("--state <state>", "only in this state; several by comma", collect)
    .option("--queue <name>", "only of this queue")
    .option("--task <name>", "only of this task")
    .option("--tag <tag>", "only with this tag")
    .option("--limit <n>", "1-200 (default: 50)")
    .option("--after <id>", "only older than this one")
    .action(async (options: Options) => {
      const executions = await withBackend(options, (backend) =>
        backend.list({
          ...(options.state === undefined
            ? {}
            : { state: options.state.map((each) => each.toUpperCase() as TaskState) }),
          ...(options.queue === undefined ? {} : { queue: options.queue }),
          ...(options.task === undefined ? {} : { task: options.task }),
          ...(options.tag === undefined ? {} : { tag: options.tag }),
          ...(options.limit === undefined ? {} : { limit: parseNumber(options.limit, "--limit") }),
          ...(options.after === undefined ? {} : { after: options.after }),
        }),
      );
      const last = executions.at(-1);
      const isFull = last !== undefined && executions.length === parseNumber(options.limit ?? "50", "--limit");
      const more = isFull ? `\n\nThere may be more: --after ${last.id}` : "";
      print(options, executions, `${describeList(executions)}${more}`);
    });
}
