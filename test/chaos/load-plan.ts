/** What a run enqueues, and when: the same for the same seed. */

/** By how it is to end; see `ENDS`. */
export const KINDS = [
  "plain",
  "long",
  "late",
  "flaky",
  "broken",
  "cancelled queued",
  "cancelled running",
  "timed out",
  "deaf",
  "hasty",
  "snoozes",
  "retried",
  "rerun",
  "cancelled in bulk",
] as const;
export type Kind = (typeof KINDS)[number];

/** The states that each kind may end in, whatever dies. LOST is checked by a rule of its own. */
export const ENDS: Readonly<Record<Kind, readonly string[]>> = {
  plain: ["SUCCEEDED"],
  long: ["SUCCEEDED"],
  late: ["SUCCEEDED"],
  flaky: ["SUCCEEDED"],
  broken: ["FAILED"],
  "cancelled queued": ["CANCELLED", "SUCCEEDED"],
  "cancelled running": ["CANCELLED", "SUCCEEDED"],
  "cancelled in bulk": ["CANCELLED", "SUCCEEDED"],
  "timed out": ["FAILED"],
  deaf: ["FAILED"],
  hasty: ["SUCCEEDED", "EXPIRED"],
  snoozes: ["SUCCEEDED"],
  retried: ["SUCCEEDED"],
  rerun: ["SUCCEEDED"],
};

export interface PlannedExecution {
  /** Its place in the plan. */
  readonly number: number;
  readonly kind: Kind;
  /** Seconds from the start. */
  readonly at: number;
  readonly queue: string;
  readonly priority: number;
  /** Seconds that its body takes. */
  readonly seconds: number;
  /** Seconds from `at` until it is due. */
  readonly delay: number;
  readonly maxAttempts: number;
  /** The attempts in which its body raises. */
  readonly fails: number;
  /** Seconds for which its body asks to be run later, the first time that it runs; 0: it doesn't. */
  readonly snooze: number;
  /** Seconds; null: none. */
  readonly timeout: number | null;
  readonly queueTimeout: number | null;
  /** Seconds after which it is cancelled, with all that have its tag where it has one; null: never. */
  readonly cancelAfter: number | null;
  readonly tag: string | null;
  /** Its body catches the interrupt of its timeout, and goes on. */
  readonly deaf: boolean;
  /** What the client asks for by hand when it has ended: a retry when it is FAILED, a rerun when it SUCCEEDED. */
  readonly byHand: "retry" | "rerun" | null;
}

/** Of a queue, in seconds from the start. */
export interface PlannedPause {
  readonly at: number;
  readonly seconds: number;
  readonly queue: string;
}

/** Of a hundred. */
const SHARES: readonly (readonly [Kind, number])[] = [
  ["plain", 62],
  ["late", 10],
  ["flaky", 6],
  ["broken", 4],
  ["cancelled queued", 4],
  ["hasty", 4],
  ["snoozes", 3],
  ["long", 4],
  ["cancelled running", 1.5],
  ["timed out", 1.5],
  ["deaf", 0.7],
  ["retried", 1.5],
  ["rerun", 1.5],
];
/** Seconds: three times what the longest body takes, so that one that goes on without end is found out. */
const LONG_TIMEOUT = 60;
/** Executions a second, one at a time. */
const RATE = 9;
/** Seconds between two bursts, and executions in one: a backlog, so that there is an order to keep. */
const BURST_EVERY = 10;
const BURST = 60;
/** Seconds between two groups that are cancelled by their tag, and executions in one: some wait then, some run, some have ended. */
const GROUP_EVERY = 17;
const GROUP = 12;
/** Seconds between the beginnings of two pauses, and the longest. */
const PAUSE_EVERY = 14;
const LONGEST_PAUSE = 5;
const QUEUES = ["default", "bulk"] as const;

export function planLoad(seconds: number, random: () => number): PlannedExecution[] {
  const planned: PlannedExecution[] = [];
  const add = (at: number, kind: Kind) => planned.push(planOne(planned.length, at, kind, random));
  for (let at = 0; at < seconds; at += (2 * random()) / RATE) {
    add(at, draw(random));
  }
  for (let at = BURST_EVERY / 2; at < seconds; at += BURST_EVERY) for (let n = 0; n < BURST; n += 1) add(at, "plain");
  for (let at = GROUP_EVERY / 2; at < seconds; at += GROUP_EVERY) {
    const tag = `group-${at}`;
    const cancelAfter = 1 + 4 * random();
    for (let n = 0; n < GROUP; n += 1) {
      add(at, "cancelled in bulk");
      const last = planned.pop();
      if (last !== undefined) planned.push({ ...last, tag, cancelAfter: n === 0 ? cancelAfter : null });
    }
  }
  return planned.sort((a, b) => a.at - b.at || a.number - b.number);
}

/** One at a time: never both queues. */
export function planPauses(seconds: number, random: () => number): PlannedPause[] {
  const planned: PlannedPause[] = [];
  for (let at = PAUSE_EVERY * random(); at < seconds; at += PAUSE_EVERY)
    planned.push({ at, seconds: 1 + (LONGEST_PAUSE - 1) * random(), queue: drawQueue(random) });
  return planned;
}

function drawQueue(random: () => number): string {
  return QUEUES[Math.floor(random() * QUEUES.length)] ?? "default";
}

function draw(random: () => number): Kind {
  let left = random() * SHARES.reduce((sum, [, share]) => sum + share, 0);
  for (const [kind, share] of SHARES) {
    left -= share;
    if (left < 0) return kind;
  }
  return "plain";
}

/** One that isn't in the plan. */
export function planOneMore(number: number, kind: Kind): PlannedExecution {
  return planOne(number, 0, kind, () => 0.5);
}

function planOne(number: number, at: number, kind: Kind, random: () => number): PlannedExecution {
  const between = (low: number, high: number) => low + (high - low) * random();
  const common = {
    number,
    kind,
    at,
    queue: drawQueue(random),
    priority: Math.floor(between(-2, 3)),
    seconds: between(0, 0.05),
    delay: 0,
    maxAttempts: 1,
    fails: 0,
    snooze: 0,
    timeout: null,
    queueTimeout: null,
    cancelAfter: null,
    tag: null,
    deaf: false,
    byHand: null,
  };
  switch (kind) {
    case "plain":
      return common;
    case "snoozes":
      return { ...common, snooze: between(0.2, 3) };
    case "long":
      return { ...common, seconds: between(1, 20), timeout: LONG_TIMEOUT };
    case "late":
      return { ...common, delay: between(0.5, 20) };
    case "flaky":
      return { ...common, maxAttempts: 4, fails: Math.floor(between(1, 4)) };
    case "broken":
      return { ...common, maxAttempts: Math.floor(between(1, 4)), fails: 99 };
    case "cancelled queued":
      return { ...common, delay: between(0, 3), cancelAfter: between(0, 1) };
    case "cancelled running":
      return { ...common, priority: 5, seconds: 15, cancelAfter: between(0.5, 6) };
    case "timed out":
      return { ...common, seconds: 20, timeout: between(1, 3) };
    case "deaf":
      return { ...common, seconds: 40, timeout: between(1, 2), deaf: true };
    case "retried":
      return { ...common, fails: 1, byHand: "retry" };
    case "rerun":
      return { ...common, byHand: "rerun" };
    case "cancelled in bulk":
      return { ...common, delay: between(0, 8), seconds: between(0, 3) };
    case "hasty":
      return { ...common, queueTimeout: between(0.3, 6) };
  }
}
