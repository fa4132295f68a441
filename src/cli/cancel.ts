import type { Command } from "commander";
import type { RayTaskBackend } from "../backend.ts";
import type { CancelFilter } from "../cancel-filter.ts";
import { ConfigurationError, ExecutionError } from "../errors.ts";
import type { CancelCounts } from "../store/cancel-many.ts";
import type { TaskState } from "../task-state.ts";
import { confirm } from "./confirm.ts";
import { type CommonOptions, collect, print, withBackend, withCommonOptions } from "./context.ts";
import { parseDuration } from "./duration.ts";

interface Options extends CommonOptions {
  readonly reason?: string;
  readonly queue?: string;
  readonly task?: string;
  readonly state?: readonly string[];
  readonly tag?: string;
  readonly olderThan?: string;
  readonly all?: boolean;
  readonly yes?: boolean;
}

/** It had ended before: nothing was cancelled. */
class AlreadyEndedError extends ExecutionError {
  override readonly code = "ALREADY_ENDED";
}

export function cancelCommand(program: Command): void {
  withCommonOptions(
    program
      .command("cancel")
      .argument("[id]", "one execution; or say by options which")
      .description("cancel executions: at once if queued; interrupted, then killed if running"),
  )
    .option("--reason <text>", "kept with the execution")
    .option("--queue <name>", "every live one of this queue ...")
    .option("--task <name>", "... of this task")
    .option("--state <state>", "... QUEUED or RUNNING; several by comma", collect)
    .option("--tag <tag>", "... with this tag")
    .option("--older-than <duration>", "... enqueued longer ago: seconds, or 30m, 1h, 7d")
    .option("--all", "every live one")
    .option("--yes", "don't count and ask first")
    .action(async (id: string | undefined, options: Options) => {
      const filter = toFilter(options);
      const isMany = Object.keys(filter).length > 0;
      if (id !== undefined && isMany)
        throw new ConfigurationError("cancel takes an execution's id, or options that say which, not both.");
      if (id === undefined && !isMany)
        throw new ConfigurationError(
          "cancel needs an execution's id, or which ones: --queue, --task, --state, --tag, --older-than; --all for every live one.",
        );
      await withBackend(options, (backend) =>
        id === undefined ? cancelMany(backend, filter, options) : cancelOne(backend, id, options),
      );
    });
}

const reasonOf = ({ reason }: Options) => (reason === undefined ? {} : { reason });

async function cancelOne(backend: RayTaskBackend, id: string, options: Options): Promise<void> {
  const execution = await backend.cancel(id, reasonOf(options));
  if (execution.state !== "CANCELLED" && execution.state !== "CANCELLING") {
    throw new AlreadyEndedError(`Execution ${id} has ended already: ${execution.state}. Nothing was cancelled.`);
  }
  print(
    options,
    { id, state: execution.state },
    execution.state === "CANCELLED" ? `${id} is CANCELLED.` : `${id} is CANCELLING: it is being stopped.`,
  );
}

async function cancelMany(backend: RayTaskBackend, filter: CancelFilter, options: Options): Promise<void> {
  if (options.yes !== true) {
    const counts = await backend.cancelMany(filter, { dryRun: true });
    if (counts.cancelled + counts.cancelling > 0 && !(await isMeant(counts, options))) {
      process.stderr.write("Nothing was cancelled.\n");
      process.exitCode = 1;
      return;
    }
  }
  const counts = await backend.cancelMany(filter, reasonOf(options));
  const { cancelled, cancelling } = counts;
  print(
    options,
    counts,
    cancelled + cancelling === 0
      ? "Nothing that is live fits: nothing was cancelled."
      : `${cancelled} CANCELLED, ${cancelling} CANCELLING.`,
  );
}

/** @throws ConfigurationError where nobody is there to be asked. */
async function isMeant({ cancelled, cancelling }: CancelCounts, options: Options): Promise<boolean> {
  const what = `This cancels ${cancelled} queued and ${cancelling} running execution(s).`;
  const answer = options.json === true ? null : await confirm(`${what} Go on?`);
  if (answer === null) throw new ConfigurationError(`${what} Nothing was cancelled: give --yes if that is meant.`);
  return answer;
}

function toFilter({ queue, task, state, tag, olderThan, all }: Options): CancelFilter {
  return {
    ...(queue === undefined ? {} : { queue }),
    ...(task === undefined ? {} : { task }),
    ...(state === undefined ? {} : { state: state.map((each) => each.toUpperCase() as TaskState) }),
    ...(tag === undefined ? {} : { tag }),
    ...(olderThan === undefined
      ? {}
      : { createdBefore: new Date(Date.now() - parseDuration(olderThan, "--older-than") * 1000) }),
    ...(all === undefined ? {} : { all }),
  };
}
