import type { RayTaskAttempt, RayTaskExecution } from "../execution.ts";
import { jsonValue } from "./json-value.ts";

/** One execution for people. */
export function describeExecution(execution: RayTaskExecution, attempts: readonly RayTaskAttempt[]): string {
  const rows: [string, string | null][] = [
    ["id", execution.id],
    ["task", execution.task],
    ["state", execution.state],
    ["rerun of", execution.rerunOf],
    ["queue", `${execution.queue}, priority ${execution.priority}`],
    [
      "attempt",
      `${execution.attempt} of ${execution.maxAttempts ?? "?"}${execution.infrastructureLosses > 0 ? `, ${execution.infrastructureLosses} lost to infrastructure` : ""}`,
    ],
    ["created", instant(execution.createdAt)],
    ["run at", execution.state === "QUEUED" && execution.runAt > execution.createdAt ? instant(execution.runAt) : null],
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
  if (attempts.length > 1)
    lines.push(
      "",
      "attempts",
      `   fence  ${"outcome".padEnd(10)} ${"claimed".padEnd(27)}  worker`,
      ...attempts.map(describeAttempt),
    );
  return lines.join("\n");
}

function describeAttempt(attempt: RayTaskAttempt): string {
  const error = attempt.error === null ? "" : `  ${attempt.error.type}: ${attempt.error.message}`;
  return `  ${String(attempt.fence).padStart(6)}  ${attempt.outcome.padEnd(10)} ${instant(attempt.claimedAt) ?? ""}  ${attempt.worker ?? ""}${error}`;
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

/** Columns padded to their widest cell. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((name, column) => Math.max(name.length, ...rows.map((row) => row[column]?.length ?? 0)));
  return [head, ...rows]
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

function instant(date: Date | null): string | null {
  return date === null ? null : date.toISOString().replace("T", " ").replace("Z", " UTC");
}

function duration(from: Date | null, to: Date | null): string | null {
  return from === null || to === null ? null : `${((to.getTime() - from.getTime()) / 1000).toFixed(3)} s`;
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
