import { seededRandom, shuffled } from "../support/seeded-random.ts";
import { type PlannedExecution, type PlannedPause, planLoad, planPauses } from "./load-plan.ts";

/** A fault of the registry, as the plan knows it. */
export interface Plannable {
  readonly kind: string;
  /** For how long it may go on, in seconds: one of these ranges is drawn. Zero: it is over at once. */
  readonly lasts: readonly (readonly [number, number])[];
  /** What it is done to. */
  readonly targets: number;
}

export interface PlannedFault {
  readonly kind: string;
  /** Seconds from the start. */
  readonly at: number;
  readonly seconds: number;
  /** Which of the targets. */
  readonly target: number;
  /** A number from 0 to 1 for whatever else there is to draw. */
  readonly draw: number;
}

export interface Plan {
  readonly seed: number;
  /** For how long executions are enqueued and faults begin. */
  readonly seconds: number;
  readonly faults: readonly PlannedFault[];
  readonly load: readonly PlannedExecution[];
  readonly pauses: readonly PlannedPause[];
}

/** Seconds before the first fault, and between the beginnings of two. They may overlap. */
const FIRST = 5;
const PAUSE = [2, 6.5] as const;

/** The same plan for the same seed, duration and faults. Every fault comes before any comes a second time. */
export function makePlan(seed: number, seconds: number, plannable: readonly Plannable[]): Plan {
  const random = seededRandom(seed);
  const between = (low: number, high: number) => low + (high - low) * random();
  const faults: PlannedFault[] = [];
  let bag: Plannable[] = [];
  for (let at = FIRST; at < seconds; at += between(...PAUSE)) {
    if (bag.length === 0) bag = shuffled(plannable, random);
    const next = bag.pop();
    if (next === undefined) break;
    const range = next.lasts[Math.floor(random() * next.lasts.length)] ?? [0, 0];
    const target = Math.floor(random() * next.targets);
    faults.push({ kind: next.kind, at, seconds: between(...range), target, draw: random() });
  }
  const load = planLoad(seconds, seededRandom(seed + 1_000_003));
  return { seed, seconds, faults, load, pauses: planPauses(seconds, seededRandom(seed + 2_000_003)) };
}

/** A line for each fault. */
export function describePlan({ seed, seconds, faults, load, pauses }: Plan): string {
  const lines = faults.map(
    ({ kind, at, seconds: lasts, target }) =>
      `  ${at.toFixed(1).padStart(6)} s  ${kind}, target ${target}${lasts > 0 ? `, for ${lasts.toFixed(1)} s` : ""}`,
  );
  return [
    `seed ${seed}: ${load.length} executions and ${faults.length} faults, ${pauses.length} pauses of a queue, in ${seconds} s`,
    ...lines,
  ].join("\n");
}
