import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { check } from "./checker.ts";
import { collect, countRows } from "./collect.ts";
import type { Fault } from "./fault.ts";
import { FAULTS } from "./faults/index.ts";
import type { Finding } from "./finding.ts";
import type { History } from "./history.ts";
import { Load } from "./load.ts";
import { describePlan, makePlan, type Plan, type PlannedFault } from "./plan.ts";
import { report } from "./report.ts";
import { World } from "./world.ts";

/** Milliseconds without another end, once nothing is done to it any more, after which nothing more is expected: backoffs after losses are the longest part. */
const STUCK_AFTER = 120_000;
const SAY_EVERY = 15_000;
/** Milliseconds in which a fault has to find what it is done to: a killed worker is back in some seconds, on a busy machine in half a minute. */
const TARGET_WITHIN = 60_000;
const TRY_AGAIN_AFTER = 250;

export interface ChaosOptions {
  readonly seed: number;
  /** For how long executions are enqueued and faults begin. */
  readonly seconds: number;
  readonly say: (line: string) => void;
  /** A folder where history and logs of a run with findings are kept; null: nowhere. */
  readonly keepIn: string | null;
  readonly keeps?: "findings" | "always";
  /** Ends the run, and everything that it started. */
  readonly signal?: AbortSignal;
}

export interface ChaosResult {
  readonly history: History;
  readonly findings: readonly Finding[];
  readonly report: string;
}

/** One run: the plan of a seed, played against a system of its own, and what the checker says of it. */
export async function runChaos(options: ChaosOptions): Promise<ChaosResult> {
  const { signal } = options;
  const world = await World.start();
  const aborted = new Promise<never>((_resolve, reject) =>
    signal?.addEventListener("abort", () => reject(new Error("the run was stopped")), { once: true }),
  );
  aborted.catch(() => {});
  try {
    signal?.throwIfAborted();
    const played = playAndCheck(world, options);
    // Once it is stopped, whatever it still meets comes of that.
    played.catch(() => {});
    return await Promise.race([played, aborted]);
  } finally {
    await world.stop();
  }
}

async function playAndCheck(
  world: World,
  { seed, seconds, say, keepIn, keeps, signal }: ChaosOptions,
): Promise<ChaosResult> {
  const faults = FAULTS.filter((fault) => {
    const missing = fault.missing?.(world) ?? null;
    if (missing !== null) say(`left out: ${fault.kind}: ${missing}`);
    return missing === null;
  });
  const plan = makePlan(seed, seconds, faults);
  say(describePlan(plan));
  const load = new Load(world.clientUrl, world.postgres.url, world.journal);
  signal?.addEventListener("abort", () => void load.close().catch(() => {}), { once: true });
  const game = { world, load, say, signal: signal ?? new AbortController().signal };
  await play(game, plan);
  const history = await collect(world, load);
  const findings = check(history);
  if (keepIn !== null && (findings.length > 0 || keeps === "always")) await keep(keepIn, world, history, say);
  return { history, findings, report: report(seed, history, findings) };
}

interface Game {
  readonly world: World;
  readonly load: Load;
  readonly say: (line: string) => void;
  readonly signal: AbortSignal;
}

async function play(game: Game, plan: Plan): Promise<void> {
  const { world, load, say, signal } = game;
  const start = performance.now();
  const sinceStart = () => (performance.now() - start) / 1_000;
  const progress = setInterval(() => void sayProgress(world, load, sinceStart(), say), SAY_EVERY);
  try {
    const playing = load.play(plan.load, plan.pauses);
    playing.catch(() => {});
    const injecting: Promise<void>[] = [];
    for (const planned of plan.faults) {
      const fault = FAULTS.find(({ kind }) => kind === planned.kind);
      await delay(Math.max(0, planned.at - sinceStart()) * 1_000, undefined, { signal });
      if (fault === undefined) continue;
      const injected = inject(game, fault, planned, sinceStart);
      injected.catch(() => {});
      injecting.push(injected);
    }
    await Promise.all(injecting);
    say(`${sinceStart().toFixed(1)} s: no more faults`);
    await playing;
    await untilEndedOrStuck(game);
    say(`${sinceStart().toFixed(1)} s: the end`);
  } finally {
    clearInterval(progress);
  }
}

/** Where something hasn't ended, the checker says what. However long a slow machine takes for a backlog, it isn't lost. */
async function untilEndedOrStuck({ world, load, signal }: Game): Promise<void> {
  let before = "";
  for (
    let since = performance.now();
    performance.now() - since < STUCK_AFTER;
    await delay(200, undefined, { signal })
  ) {
    // In this order: what is pending enqueues more.
    const { pending } = load;
    const { ended, all } = await countRows(world.sql);
    if (pending === 0 && ended === all) return;
    const now = `${pending} ${ended} ${all}`;
    if (now !== before) since = performance.now();
    before = now;
  }
}

/** What it is to be done to may be away for a moment: by another fault. One that is never done is a finding. */
async function inject({ world, load, say, signal }: Game, fault: Fault, planned: PlannedFault, now: () => number) {
  const { kind, cutsStatements = false } = fault;
  const begun = now();
  const shown = (what: string) => say(`${begun.toFixed(1).padStart(6)} s  ${kind}: ${what}`);
  for (const deadline = performance.now() + TARGET_WITHIN; ; await delay(TRY_AGAIN_AFTER, undefined, { signal })) {
    const at = Date.now();
    try {
      const {
        what,
        kills = 0,
        holders = [],
        executions = [],
        missed = null,
      } = await fault.inject(world, planned, load);
      world.deeds.push({ at, until: Date.now(), kind, what, cutsStatements, kills, holders, executions, missed });
      return shown(what);
    } catch (error) {
      if (performance.now() < deadline) continue;
      const why = error instanceof Error ? error.message : String(error);
      world.undone.push({ kind, why });
      return shown(`not done, ${why}`);
    }
  }
}

async function sayProgress(world: World, load: Load, now: number, say: (line: string) => void): Promise<void> {
  const count = await countRows(world.sql).catch(() => null);
  if (count === null) return;
  say(`${now.toFixed(1).padStart(6)} s  ${load.enqueued.length} enqueued, ${count.all} there, ${count.ended} ended`);
}

async function keep(folder: string, world: World, history: History, say: (line: string) => void): Promise<void> {
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, "history.json"), JSON.stringify(history));
  for (const worker of world.workers) await writeFile(join(folder, `${worker.name}.log`), worker.said);
  say(`history and logs are in ${folder}`);
}
