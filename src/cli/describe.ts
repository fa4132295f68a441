import type { AttemptPhase, Progress, RayTaskAttempt } from "../attempt.ts";
import type { RayTaskExecution } from "../execution.ts";
import { isLive } from "../task-state.ts";
import { describeAttempts, describeRetry } from "./describe-attempts.ts";
import { duration, instant, table } from "./format.ts";
import { jsonValue } from "./json-value.ts";

/** One execution for people. */
export function describeExecution(execution: RayTaskExecution, attempts: readonly RayTaskAttempt[]): string {
  const rows: [string, string | null][] = [
    ["id", execution.id],
    ["task", execution.task],
    ["state", execution.phase === null ? execution.state : `${execution.state} (${PHASES[execution.phase]})`],
    ["rerun of", execution.rerunOf],
    ["queue", `${execution.queue}, priority ${execution.priority}`],
    [
      "attempt",
      `${execution.attempt} of ${execution.maxAttempts ?? "?"}${execution.infrastructureLosses > 0 ? `, ${execution.infrastructureLosses} lost to infrastructure` : ""}`,
    ],
    ["retry", (execution.maxAttempts ?? 1) > 1 ? describeRetry(execution.retryPolicy) : null],
    ["timeout", execution.timeoutSeconds === null ? null : `${execution.timeoutSeconds} s from its start`],
    ["created", instant(execution.createdAt)],
    ["run at", execution.state === "QUEUED" && execution.runAt > execution.createdAt ? instant(execution.runAt) : null],
    ["expires", isLive(execution.state) ? instant(execution.expiresAt) : null],
    ["claimed", instant(execution.claimedAt)],
    ["started", instant(execution.startedAt)],
    ["finished", instant(execution.finishedAt)],
    ["took", duration(execution.startedAt, execution.finishedAt)],
    ["worker", execution.worker],
    [
      "ray process",
      execution.pid === null
        ? null
        : `pid ${execution.pid}, node ${execution.rayNodeId?.slice(0, 12) ?? "?"}, task ${execution.rayTaskId ?? "?"}`,
    ],
    ["progress", execution.progress === null ? null : describeProgress(execution.progress)],
    ["waiting", execution.waitReason],
    [
      "cancel",
      execution.cancelRequestedAt === null
        ? null
        : `asked for ${instant(execution.cancelRequestedAt)}${execution.cancelReason === null ? "" : `: ${execution.cancelReason}`}`,
    ],
    ["tags", execution.tags.length === 0 ? null : execution.tags.join(", ")],
    ["input", shown(execution.input)],
    ["result", execution.state === "SUCCEEDED" ? shown(execution.value) : null],
    ["error", execution.error === null ? null : `${execution.error.type}: ${execution.error.message}`],
  ];
  const lines = rows.flatMap(([name, value]) => (value === null ? [] : [`${name.padEnd(12)} ${value}`]));
  if (execution.error?.traceback) lines.push("", execution.error.traceback.trimEnd());
  if (attempts.length > 0) lines.push("", describeAttempts(attempts));
  return lines.join("\n");
}

const PHASES: Readonly<Record<AttemptPhase, string>> = {
  SUBMITTED: "sent to its server",
  PENDING: "waits for room in Ray",
  RUNNING: "its code runs",
};

function describeProgress({ current, total, message }: Progress): string {
  return `${current}${total === null ? "" : ` of ${total}`}${message === null ? "" : `: ${message}`}`;
}

/** A table of executions, newest first. */
export function describeList(executions: readonly RayTaskExecution[]): string {
  if (executions.length === 0) return "No executions.";
  const rows = executions.map((each) => [
    each.id,
    each.state,
    each.task,
    each.queue,
    instant(each.createdAt) ?? "",
    duration(each.startedAt, each.finishedAt) ?? "",
    note(each),
  ]);
  return table(["ID", "STATE", "TASK", "QUEUE", "CREATED", "TOOK", ""], rows);
}

function note(execution: RayTaskExecution): string {
  const text =
    execution.error === null ? (execution.waitReason ?? "") : `${execution.error.type}: ${execution.error.message}`;
  const line = text.split("\n")[0] ?? "";
  return line.length > 60 ? `${line.slice(0, 57)}...` : line;
}

function shown(value: unknown): string {
  const text =
    JSON.stringify(value, (key, each: unknown) =>
      typeof each === "bigint"
        ? `${each}n`
        : each instanceof Uint8Array
          ? `<${each.byteLength} bytes>`
          : jsonValue(key, each),
    ) ?? "undefined";
  return text.length > 2_000 ? `${text.slice(0, 2_000)}... (${text.length} characters; --json shows all)` : text;
}
