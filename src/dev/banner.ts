import type { Ready } from "../worker/index.ts";
import type { WorkerSettings } from "../worker/options.ts";

type Registered = Ready["registry"]["tasks"][number];

export interface BannerFacts {
  readonly ready: Ready;
  readonly settings: WorkerSettings;
  readonly databaseUrl: string;
  readonly keptIn: string | null;
  readonly seconds: number;
}

/** What `rayferry dev` says when everything is up: where each part is, and what to type next. */
export function banner({ ready, settings, databaseUrl, keptIn, seconds }: BannerFacts): string {
  const { welcome, registry, sidecarPid, slots } = ready;
  const { cluster } = welcome;
  const ray =
    cluster === null
      ? "none (--runner sync)"
      : `${cluster.address}  (Ray ${cluster.ray}, ${cluster.cpus} CPUs${cluster.gpus > 0 ? `, ${cluster.gpus} GPUs` : ""})`;
  const lines = [
    `Everything is up after ${seconds.toFixed(1)} s.`,
    "",
    `  Postgres  ${databaseUrl}`,
    `            ${keptIn === null ? "its data goes with this command" : `its data stays in ${keptIn}`}`,
    `  Ray       ${ray}`,
    `  Sidecar   pid ${sidecarPid}, Python ${welcome.python}`,
    `  Worker    ${settings.name}, queue ${settings.queues.join(", ")}, ${slots} at once`,
    ...registry.tasks.map((task, index) => `  ${index === 0 ? "Tasks   " : "        "}  ${signature(task)}`),
  ];
  return lines.join("\n");
}

/** The commands to try with the tasks that are there. */
export function nextSteps(tasks: readonly Registered[]): string {
  const [first] = tasks;
  if (first === undefined)
    return "No task is registered yet. Correct the module and save it: the sidecar starts again by itself.";
  return [
    "Next, in another terminal in this folder:",
    "",
    `  npx rayferry enqueue ${first.name} --input '${JSON.stringify(sampleInput(first))}'`,
    "  npx rayferry list",
    "  npx rayferry result ID --wait 60",
    "",
    "Ctrl-C stops everything.",
  ].join("\n");
}

function signature(task: Registered): string {
  const parameters = task.parameters.map(
    (each) =>
      `${each.name}${each.annotation === null ? "" : `: ${each.annotation}`}${each.default === null ? "" : ` = ${each.default}`}`,
  );
  return `${task.name}(${parameters.join(", ")})`;
}

function sampleInput(task: Registered): Record<string, unknown> {
  const required = task.parameters.filter(
    (each) => each.required && each.kind !== "var_positional" && each.kind !== "var_keyword",
  );
  return Object.fromEntries(required.map((each) => [each.name, sampleValue(each.annotation)]));
}

function sampleValue(annotation: string | null): unknown {
  if (annotation === null) return 1;
  if (/^int\b/.test(annotation)) return 1;
  if (/^float\b/.test(annotation)) return 0.5;
  if (/^str\b/.test(annotation)) return "hello";
  if (/^bool\b/.test(annotation)) return true;
  if (/^(list|tuple|set|Sequence|Iterable)\b/.test(annotation)) return [1, 2, 3];
  if (/^(dict|Mapping)\b/.test(annotation)) return {};
  return 1;
}
