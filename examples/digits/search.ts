/**
 * Searches hyper-parameters for the digits of scikit-learn. Every configuration is cross-validated in an execution of its own; Ray runs as many
 * at once as it has CPUs for.
 *
 *   rayferry dev --tasks digits_tasks -- node search.ts
 */
import {
  defineTask,
  ExecutionCancelledError,
  ExecutionFailedError,
  RayTaskBackend,
  type RayTaskExecution,
} from "rayferry";
import { type Configuration, configurations, describe } from "./configurations.ts";
import { Progress } from "./progress.ts";
import { mostAtOnce, type Outcome, rank, type Score } from "./report.ts";

const crossValidate = defineTask<Configuration & { readonly folds?: number }, Score>("digits.cross_validate");
const leaveOneOut = defineTask<Configuration, { accuracy: number }>("digits.leave_one_out");

await using backend = new RayTaskBackend();

await showFailure();
await showCancel();
await search();

async function search(): Promise<void> {
  const families = new Set(configurations.map((each) => each.family));
  console.log(`Searching ${configurations.length} configurations of ${families.size} model families, 10 folds each:`);
  const progress = new Progress(configurations.length);
  const executions = await backend.enqueueMany(configurations.map((input) => ({ task: crossValidate, input })));
  const outcomes = await Promise.all(
    executions.map((execution, index) => finish(execution, configurations[index] as Configuration, progress)),
  );
  const seconds = progress.seconds();
  progress.end();

  console.log(`\n${rank(outcomes)}\n`);
  const best = outcomes.reduce((a, b) => (b.score.accuracy > a.score.accuracy ? b : a));
  const processes = new Set(outcomes.map(({ execution }) => execution.rayWorkerId));
  console.log(`Best: ${describe(best.configuration)}`);
  console.log(
    `      mean accuracy ${best.score.accuracy}, standard deviation ${best.score.deviation.toFixed(4)} over the folds`,
  );
  console.log(
    `${outcomes.length} executions in ${seconds.toFixed(1)} s, up to ${mostAtOnce(outcomes)} at once, in ${processes.size} Ray processes`,
  );
}

async function finish(execution: RayTaskExecution, configuration: Configuration, progress: Progress): Promise<Outcome> {
  const score = (await execution.result()) as Score;
  progress.finished(score.accuracy);
  return { configuration, score, execution: await execution.refresh() };
}

/** A task that raises: its Python type, message and traceback come back. */
async function showFailure(): Promise<void> {
  console.log("A request that scikit-learn refuses, 500 folds of a class with 174 scans:");
  const execution = await backend.enqueue(crossValidate, { family: "svc", params: {}, folds: 500 });
  try {
    await execution.result();
    throw new Error("scikit-learn made 500 folds");
  } catch (error) {
    if (!(error instanceof ExecutionFailedError)) throw error;
    console.log(`  FAILED with Python's ${error.pythonType}, and its traceback:\n`);
    console.log(`${(error.traceback ?? "").trimEnd().replaceAll(/^/gm, "    ")}\n`);
  }
}

/** A task that would run for minutes: cancelled while it runs. */
async function showCancel(): Promise<void> {
  console.log("A leave-one-out validation, 1,797 trainings, cancelled while it runs:");
  const execution = await backend.enqueue(leaveOneOut, { family: "svc", params: { C: 10, gamma: 0.001 } });
  const running = await untilRunning(execution);
  const asked = performance.now();
  await running.cancel({ reason: "the demo has seen enough" });
  try {
    await execution.result();
    throw new Error("it finished all the same");
  } catch (error) {
    if (!(error instanceof ExecutionCancelledError)) throw error;
    console.log(
      `  RUNNING on ${running.worker}, then CANCELLED ${((performance.now() - asked) / 1000).toFixed(2)} s after it was asked for\n`,
    );
  }
}

/** Claimed, and past the moment in which Ray hands it to a process. */
async function untilRunning(execution: RayTaskExecution): Promise<RayTaskExecution> {
  for (;;) {
    const now = await execution.refresh();
    if (now.state === "RUNNING" && now.claimedAt !== null && Date.now() - now.claimedAt.getTime() > 2_000) return now;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
