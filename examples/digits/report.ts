import type { RayTaskExecution } from "rayferry";
import { type Configuration, describe } from "./configurations.ts";

export interface Score {
  readonly accuracy: number;
  readonly deviation: number;
  readonly seconds: number;
}

/** A configuration with what came of it. */
export interface Outcome {
  readonly configuration: Configuration;
  readonly score: Score;
  readonly execution: RayTaskExecution;
}

/** The table, best first. */
export function rank(outcomes: readonly Outcome[]): string {
  const rows = outcomes
    .toSorted((a, b) => b.score.accuracy - a.score.accuracy)
    .map(({ configuration, score, execution }, index) =>
      [
        String(index + 1).padStart(4),
        describe(configuration).padEnd(40),
        score.accuracy.toFixed(4).padStart(8),
        score.seconds.toFixed(2).padStart(8),
        `  pid ${execution.pid ?? "?"}`,
      ].join(" "),
    );
  return [
    `${"rank"} ${"configuration".padEnd(40)} ${"accuracy".padStart(8)} ${"seconds".padStart(8)}   ray process`,
    ...rows,
  ].join("\n");
}

/** The most executions that ran at the same moment. */
export function mostAtOnce(outcomes: readonly Outcome[]): number {
  const edges = outcomes.flatMap(({ execution }) =>
    execution.startedAt === null || execution.finishedAt === null
      ? []
      : [
          { at: execution.startedAt.getTime(), change: 1 },
          { at: execution.finishedAt.getTime(), change: -1 },
        ],
  );
  let now = 0;
  let most = 0;
  // An end and a start in the same millisecond didn't overlap.
  for (const edge of edges.sort((a, b) => a.at - b.at || a.change - b.change)) {
    now += edge.change;
    most = Math.max(most, now);
  }
  return most;
}
