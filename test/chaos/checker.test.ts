import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { check } from "./checker.ts";
import type { Change, Claim, History } from "./history.ts";
import { attempt, change, claim, deed, EMPTY, enqueued, flawless, leaseNote, life, row } from "./made-history.ts";
import { checkClaims } from "./rules/claim-order.ts";

const rules = (history: History) => check(history).map(({ rule }) => rule);

test("checker - finds nothing in a flawless history, nor in an empty one", () => {
  expect(check(EMPTY)).toEqual([]);
  expect(check(flawless())).toEqual([]);
});

/** One that goes from state to state. */
function changesOf(...states: readonly string[]): Change[] {
  return states.slice(1).map((after, index) => change("x", { before: states[index] ?? null, after, fence: index }));
}

/** It lost an attempt, failed, and succeeded when it was retried by hand. */
const retried: History = {
  ...flawless("x", { attempt: 2, maxAttempts: 2, lastFence: 3, resultLife: "x-3" }),
  retries: [{ id: "x", at: 5_000, until: 5_001 }],
  attempts: [
    attempt("x", { fence: 1, outcome: "LOST" }),
    attempt("x", { fence: 2, outcome: "FAILED" }),
    attempt("x", { fence: 3 }),
  ],
  lives: [
    life("x", { begin: 0, last: 1, end: null }),
    life("x", { fence: 2, begin: 2, last: 3, end: "raised" }),
    life("x", { fence: 3 }),
  ],
  changes: [
    change("x"),
    ...[1, 2].flatMap((fence) => [
      change("x", { before: "QUEUED", after: "RUNNING", fence }),
      change("x", { before: "RUNNING", after: fence === 1 ? "QUEUED" : "FAILED" }),
    ]),
    change("x", { before: "FAILED", after: "QUEUED" }),
    change("x", { before: "QUEUED", after: "RUNNING", fence: 3 }),
    change("x", { before: "RUNNING", after: "SUCCEEDED" }),
  ],
};

describe("checker - finds", () => {
  const [x] = [flawless()];

  const broken: readonly (readonly [what: string, rule: string, history: History])[] = [
    ["an enqueue that was answered, and no row", "lost", { ...EMPTY, enqueued: [enqueued("x")] }],
    [
      "a row that hasn't ended",
      "lost",
      { ...EMPTY, enqueued: [enqueued("x")], rows: [row("x", { state: "RUNNING" })] },
    ],
    [
      "one that nobody had an answer for, and that hasn't ended",
      "lost",
      { ...EMPTY, rows: [row("x", { state: "QUEUED" })] },
    ],
    [
      "a failure where there is none to expect",
      "wrong end",
      { ...x, rows: [row("x", { state: "FAILED", errorCode: "ServerLost" })] },
    ],
    [
      "a failure for another reason than its own",
      "wrong end",
      {
        ...x,
        enqueued: [enqueued("x", "timed out")],
        rows: [row("x", { state: "FAILED", errorCode: "ServerLost", resultLife: null })],
      },
    ],
    [
      "a failure by the death of a process that was killed once",
      "wrong end",
      {
        ...flawless("x", { state: "FAILED", errorCode: "ProcessCrashed", resultLife: null }),
        deeds: [deed({ executions: ["x"] })],
      },
    ],
    [
      "a cancel that was answered, and didn't happen",
      "wrong end",
      { ...x, cancels: [{ id: "x", at: 0, state: "CANCELLED" }] },
    ],
    [
      "an end that was written over",
      "recorded twice",
      {
        ...x,
        changes: [
          change("x", { before: "RUNNING", after: "SUCCEEDED" }),
          change("x", { before: "SUCCEEDED", after: "SUCCEEDED" }),
        ],
      },
    ],
    [
      "an end that was taken back",
      "recorded twice",
      { ...x, changes: [change("x", { before: "CANCELLED", after: "QUEUED" })] },
    ],
    [
      "a result that another worker wrote than the holder",
      "written by another",
      {
        ...x,
        incarnations: [{ id: "h", name: "a", state: "READY", refused: 0 }],
        changes: [
          change("x", { before: "RUNNING", after: "SUCCEEDED", beforeHolder: "h", writer: "rayferry worker b" }),
        ],
      },
    ],
    ["a result that no body returned", "not what the body did", { ...x, lives: [] }],
    ["a result of another execution's body", "not what the body did", { ...x, lives: [life("y", { life: "x-1" })] }],
    ["a result of a body that was cut off", "not what the body did", { ...x, lives: [life("x", { end: null })] }],
    ["a result under another attempt's fence", "not what the body did", { ...x, rows: [row("x", { lastFence: 2 })] }],
    [
      "a failure that no body raised",
      "not what the body did",
      {
        ...x,
        enqueued: [enqueued("x", "broken")],
        rows: [row("x", { state: "FAILED", errorCode: "TaskError", resultLife: null })],
      },
    ],
    [
      "two bodies at a time",
      "overlap",
      { ...x, lives: [life("x"), life("x", { fence: 2, begin: 1_999, last: 3_000, end: null })] },
    ],
    [
      "a short body inside of a long one",
      "overlap",
      {
        ...x,
        lives: [
          life("x", { last: 9_000 }),
          life("x", { fence: 2, begin: 9_500, last: 9_600, end: null }),
          life("x", { fence: 3, begin: 2_000, last: 3_000, end: null }),
        ],
      },
    ],
    [
      "two bodies with one fence",
      "overlap",
      { ...x, lives: [life("x"), life("x", { life: "other", begin: 3_000, last: 4_000 })] },
    ],
    ["more attempts than are allowed", "attempts", { ...x, rows: [row("x", { attempt: 2 })] }],
    [
      "attempts on record that its row doesn't count",
      "attempts",
      {
        ...x,
        rows: [row("x", { maxAttempts: 2, lastFence: 1 })],
        attempts: [attempt("x"), attempt("x", { fence: 0, outcome: "FAILED" })],
      },
    ],
    [
      "a loss to infrastructure that isn't on record",
      "attempts",
      { ...x, rows: [row("x", { infrastructureLosses: 1 })] },
    ],
    [
      "a loss to infrastructure that used up an attempt",
      "attempts",
      {
        ...x,
        rows: [row("x", { infrastructureLosses: 1, attempt: 2 })],
        attempts: [attempt("x", { fence: 0, outcome: "LOST" }), attempt("x")],
      },
    ],
    ["an attempt that its row counts and isn't on record", "attempts", { ...x, attempts: [] }],
    ["an attempt that its row doesn't count any more", "attempts", { ...x, rows: [row("x", { attempt: 0 })] }],
    [
      "a failure whose row counts a loss as an attempt",
      "attempts",
      {
        ...flawless("x", {
          state: "FAILED",
          errorCode: "TaskError",
          attempt: 2,
          maxAttempts: 2,
          infrastructureLosses: 1,
        }),
        attempts: [attempt("x", { fence: 0, outcome: "LOST" }), attempt("x", { outcome: "FAILED" })],
      },
    ],
    [
      "a loss to infrastructure that its row doesn't count",
      "attempts",
      { ...x, attempts: [attempt("x", { fence: 0, outcome: "LOST" }), attempt("x")] },
    ],
    [
      "an end by the death of its process that its row doesn't count as a loss",
      "attempts",
      {
        ...flawless("x", { state: "FAILED", errorCode: "ProcessCrashed", infrastructureLosses: 2 }),
        attempts: [0, 1, 2].map((fence) => attempt("x", { fence, outcome: fence < 2 ? "LOST" : "FAILED" })),
      },
    ],
    [
      "a body whose attempt isn't on record",
      "attempts",
      { ...x, lives: [life("x"), life("x", { fence: 7, begin: 3_000, last: 3_001, end: null })] },
    ],
    [
      "losses that a retry didn't forget",
      "attempts",
      {
        ...retried,
        rows: [row("x", { attempt: 2, maxAttempts: 2, lastFence: 3, resultLife: "x-3", infrastructureLosses: 1 })],
      },
    ],
    ["a success that was taken back", "recorded twice", { ...retried, changes: changesOf("SUCCEEDED", "QUEUED") }],
    ["a failure that was taken back for nobody", "recorded twice", { ...retried, retries: [] }],
    [
      "a failure that was taken back more often than it was asked for",
      "recorded twice",
      { ...retried, changes: [...retried.changes, ...changesOf("RUNNING", "FAILED", "QUEUED")] },
    ],
    ["a start from nothing", "state machine", { ...x, changes: [change("x", { after: "RUNNING" })] }],
    ["an end that skips CANCELLING", "state machine", { ...x, changes: changesOf("QUEUED", "RUNNING", "CANCELLED") }],
    ["a cancel that is run again", "state machine", { ...x, changes: changesOf("CANCELLING", "QUEUED") }],
    [
      "a state that nobody wrote",
      "state machine",
      { ...x, changes: [change("x"), change("x", { before: "RUNNING", after: "SUCCEEDED" })] },
    ],
    [
      "a row that a cancel by filter left queued",
      "left by a cancel by filter",
      {
        ...x,
        enqueued: [enqueued("x", "cancelled in bulk", { tag: "group" })],
        changes: [change("x"), change("x", { before: "QUEUED", after: "RUNNING", begun: 9_000, committed: 9_001 })],
        bulkCancels: [{ tag: "group", at: 1_000, until: 2_000 }],
      },
    ],
    ["a rerun that doesn't say of what", "wrong end", { ...x, enqueued: [enqueued("x", "plain", { rerunOf: "y" })] }],
    [
      "a body that goes on after its timeout and its grace",
      "timeout not kept",
      {
        ...x,
        enqueued: [enqueued("x", "deaf", { timeout: 2, deaf: true })],
        lives: [life("x", { begin: 0, last: 12_100 })],
      },
    ],
    [
      "LOST with losses left to suffer",
      "attempts",
      {
        ...x,
        rows: [row("x", { state: "LOST", infrastructureLosses: 10, errorCode: "ServerLost" })],
        attempts: Array.from({ length: 10 }, (_, fence) => attempt("x", { fence, outcome: "LOST" })),
      },
    ],
    [
      "a body that goes on after CANCELLED",
      "cancelled and going on",
      {
        ...x,
        enqueued: [enqueued("x", "cancelled running")],
        rows: [row("x", { state: "CANCELLED", resultLife: null, finishedAt: 1_500 })],
        attempts: [attempt("x", { outcome: "CANCELLED" })],
      },
    ],
    [
      "a body that goes on after its timeout",
      "timeout not kept",
      {
        ...x,
        enqueued: [enqueued("x", "timed out", { timeout: 2 })],
        lives: [life("x", { begin: 0, last: 7_100 })],
      },
    ],
    [
      "a kill after which nobody took up its work",
      "never recovered",
      {
        ...x,
        changes: [change("x", { before: "QUEUED", after: "RUNNING", committed: 500, fence: 1, holder: "h" })],
        deeds: [deed({ at: 1_000, holders: ["h"] })],
      },
    ],
    ["a fault that was never done", "fault not done", { ...x, undone: [{ kind: "kill", why: "no body runs now" }] }],
    [
      "a full disk that a verb never met",
      "fault not done",
      { ...x, deeds: [deed({ kills: 0, missed: "claim hasn't seen it" })] },
    ],
    ["a process that is left", "left behind", { ...x, leftovers: { ...EMPTY.leftovers, processes: ["1 python"] } }],
    ["a worker that wouldn't end", "left behind", { ...x, leftovers: { ...EMPTY.leftovers, stops: ["chaos-a"] } }],
    ["a deadlock", "deadlock", { ...x, databaseErrors: { "40P01": 1, "40P01 complete": 1 } }],
  ];

  test.each(broken)("%s", (_what, rule, history) => expect(rules(history)).toContain(rule));
});

describe("checker - lets pass", () => {
  const x = flawless();

  test.each<readonly [string, History]>([
    [
      "an enqueue without an answer, and without a row",
      { ...EMPTY, enqueued: [enqueued("x", "plain", { committedAt: null })] },
    ],
    [
      "a failure by the third death of its process",
      {
        ...x,
        rows: [row("x", { state: "FAILED", errorCode: "ProcessCrashed", resultLife: null, infrastructureLosses: 3 })],
        attempts: [
          attempt("x", { outcome: "LOST" }),
          attempt("x", { fence: 2, outcome: "LOST" }),
          attempt("x", { fence: 3, outcome: "FAILED" }),
        ],
        deeds: [1, 2, 3].map(() => deed({ executions: ["x"] })),
      },
    ],
    [
      "LOST after the eleventh loss",
      {
        ...x,
        rows: [
          row("x", {
            state: "LOST",
            infrastructureLosses: 11,
            errorCode: "ServerLost",
            resultLife: null,
            lastFence: 10,
          }),
        ],
        attempts: Array.from({ length: 11 }, (_, fence) => attempt("x", { fence, outcome: "LOST" })),
      },
    ],
    ["a retry that was asked for, and the losses that it forgot", retried],
    [
      "a row that ran, had ended, or came later, when a cancel by filter came",
      {
        ...x,
        enqueued: [enqueued("x", "cancelled in bulk", { tag: "group" })],
        changes: [
          change("x", { begun: 1_100, committed: 1_101 }),
          change("x", { before: "QUEUED", after: "RUNNING", begun: 9_000, committed: 9_001 }),
        ],
        bulkCancels: [
          { tag: "group", at: 1_000, until: 2_000 },
          { tag: "group", at: 9_500, until: 9_600 },
          { tag: "group", at: 1_500, until: null },
        ],
      },
    ],
    [
      "a body that is killed at the end of its grace",
      {
        ...flawless("x", { state: "FAILED", errorCode: "Timeout", resultLife: null }),
        enqueued: [enqueued("x", "deaf", { timeout: 2, deaf: true })],
        attempts: [attempt("x", { outcome: "TIMED_OUT" })],
        lives: [life("x", { begin: 0, last: 8_000, end: null })],
      },
    ],
    [
      "a body that ran again after it was cut off",
      {
        ...x,
        rows: [row("x", { infrastructureLosses: 1, lastFence: 2, resultLife: "x-2" })],
        attempts: [attempt("x", { outcome: "LOST" }), attempt("x", { fence: 2 })],
        lives: [life("x", { end: null }), life("x", { fence: 2, begin: 2_001, last: 3_000 })],
      },
    ],
  ])("%s", (_what, history) => expect(check(history)).toEqual([]));
});

test("checker - lives one after another pass in any order of writing, and any two that share a moment are found", () => {
  const spans = fc.array(fc.record({ gap: fc.integer({ min: 0, max: 50 }), length: fc.integer({ min: 1, max: 50 }) }), {
    minLength: 2,
    maxLength: 8,
  });
  fc.assert(
    fc.property(spans, fc.nat(), fc.nat(), (lengths, which, by) => {
      let now = 0;
      const lives = lengths.map(({ gap, length }, fence) => {
        const begin = now + gap;
        now = begin + length;
        return life("x", { fence, begin, last: now });
      });
      const overlaps = (each: typeof lives) => rules({ ...EMPTY, lives: each }).includes("overlap");
      expect(overlaps(lives.toReversed())).toBe(false);
      const index = 1 + (which % (lives.length - 1));
      const [before, own] = [lives[index - 1], lives[index]];
      if (before === undefined || own === undefined) return;
      const early = { ...own, begin: before.begin + (by % (before.last - before.begin)) };
      expect(overlaps(lives.with(index, early))).toBe(true);
    }),
  );
});

describe("checker - claim order", () => {
  /** Rows that are there from 0 on, and are taken by the claims of their own that begin then. */
  const waiting = (id: string, takenAt: number, fields: Partial<Change> = {}) => {
    const first = change(id, fields);
    const taken = {
      begun: takenAt,
      committed: takenAt + 1,
      before: "QUEUED",
      after: "RUNNING",
      fence: 100,
      holder: "h",
    };
    return [first, { ...first, ...taken }] as const;
  };
  const [early, earlyTaken] = waiting("early", 5_000, { seq: 1 });
  const [late, lateTaken] = waiting("late", 1_000, { seq: 2 });
  const changes = [early, earlyTaken, late, lateTaken];
  const wrong = { ...EMPTY, changes, claims: [claim(1_000, 1_001, [late])] };
  const twoQueues = { queues: ["default", "other"] };
  const first = change("first", { seq: 0, priority: 1 });
  const pauseNote = (at: number, isPaused = true) => ({ queue: "default", begun: at, committed: at + 1, isPaused });
  /** Full, of two queues: so that it may have locked more than it took. */
  const neighbour = (rows: readonly Change[], fields: Partial<Claim> = {}) => {
    const made = claim(999, 1_000, rows, { holder: "other", ...twoQueues, ...fields });
    return { ...made, rows: made.rows.map((each, index) => ({ ...each, fence: 200 + index })) };
  };

  test("a row that was there first is passed over", () => {
    expect(checkClaims(wrong)).toMatchObject({ checked: 1, excused: 0, findings: [["early", expect.any(String)]] });
    expect(rules(wrong)).toEqual(["claim order"]);
  });

  test("a row of a higher priority is passed over", () => {
    const [first, taken] = waiting("high", 5_000, { seq: 9, priority: 1 });
    expect(checkClaims({ ...wrong, changes: [first, taken, late, lateTaken] }).findings).toHaveLength(1);
  });

  test("a row is left though there was room for it", () => {
    const roomy = claim(1_000, 1_001, [early], { limit: 2 });
    const history = {
      ...EMPTY,
      changes: [...waiting("early", 1_000, { seq: 1 }), ...waiting("late", 5_000, { seq: 2 })],
    };
    expect(checkClaims({ ...history, claims: [roomy] }).findings).toMatchObject(
      [["late", /room for more/]].map(([id]) => [id, expect.stringContaining("room")]),
    );
    expect(checkClaims({ ...history, claims: [{ ...roomy, limit: 1 }] }).findings).toEqual([]);
  });

  test("the rows of one claim are out of order", () => {
    const taken = [...waiting("early", 1_000, { seq: 1 }), ...waiting("late", 1_000, { seq: 2 })];
    expect(
      checkClaims({ ...EMPTY, changes: taken, claims: [claim(1_000, 1_001, [late, early])] }).findings,
    ).toHaveLength(1);
  });

  test.each<readonly [string, Partial<History>]>([
    ["it is of another queue", { changes: [{ ...early, queue: "other" }, late, lateTaken] }],
    ["it became ready while the claim went on", { changes: [{ ...early, committed: 1_000 }, late, lateTaken] }],
    ["somebody had begun to take it", { changes: [early, { ...earlyTaken, begun: 1_001 }, late, lateTaken] }],
    ["it wasn't ready", { changes: [{ ...early, ready: false }, late, lateTaken] }],
    ["another claim may have had it locked", { claims: [claim(1_000, 1_001, [late]), neighbour([first])] }],
    ["a claim that may have had it locked failed", { failedClaims: [1_200] }],
    ["a retry looked at it", { retries: [{ id: "early", at: 900, until: 1_100 }] }],
    ["its queue was paused", { pauses: [pauseNote(500)] }],
    [
      "a claim went on whose answer was lost",
      {
        changes: [
          ...changes,
          change("z", { begun: 1_000, committed: 1_001, before: "QUEUED", after: "RUNNING", fence: 7, holder: "h" }),
        ],
      },
    ],
    ["statements were cut off", { deeds: [deed({ at: 900, until: 1_100, cutsStatements: true })] }],
  ])("excused or right: %s", (_what, differences) => {
    expect(checkClaims({ ...wrong, ...differences }).findings).toEqual([]);
  });

  test.each<readonly [string, Partial<History>]>([
    ["that took nothing", { claims: [claim(1_000, 1_001, [late]), neighbour([], { limit: 5 })] }],
    ["that had room for more", { claims: [claim(1_000, 1_001, [late]), neighbour([first], { limit: 5 })] }],
    ["that took one after it", { claims: [claim(1_000, 1_001, [late]), neighbour([change("last", { seq: 9 })])] }],
    ["of one queue", { claims: [claim(1_000, 1_001, [late]), neighbour([first], { queues: ["default"] })] }],
    ["that was long over", { claims: [claim(1_000, 1_001, [late]), { ...neighbour([first]), begin: 0, end: 1_000 }] }],
  ])("a neighbour is no excuse: one %s", (_what, differences) => {
    const { findings } = checkClaims({ ...wrong, ...differences });
    expect(findings).toContainEqual(["early", expect.stringContaining("took late before it")]);
  });

  test("a neighbour excuses no more rows than it can have locked", () => {
    const rows = [early, { ...early, id: "early too", seq: 1.1 }, { ...early, id: "and this", seq: 1.2 }];
    const history = {
      ...wrong,
      changes: [...rows, late, lateTaken],
      claims: [claim(1_000, 1_001, [late]), neighbour([first])],
    };
    expect(checkClaims(history).findings).toHaveLength(2);
    expect(checkClaims(history).findings.map(([id]) => id)).toEqual(expect.arrayContaining(["and this", "early too"]));
  });

  test("a claim that took nothing leaves a row, though it had the right and room for it", () => {
    const nothing = { ...EMPTY, changes: [early], claims: [claim(1_000, 1_001, [], { limit: 1 })] };
    const leases = [leaseNote()];
    expect(checkClaims({ ...nothing, leases }).findings).toMatchObject([["early", expect.stringContaining("room")]]);
    expect(checkClaims({ ...nothing, leases, changes: [] })).toEqual({
      checked: 1,
      empty: 1,
      excused: 0,
      findings: [],
    });
    const without: readonly Partial<History>[] = [
      {},
      { leases: [leaseNote({ state: "DRAINING" })] },
      { leases: [leaseNote({ expiresAt: 1_000 })] },
      { leases: [leaseNote({ server: null })] },
      { leases, serverEnds: [{ id: "s", begun: 900 }] },
      { leases: [leaseNote(), leaseNote({ state: "LOST", begun: 1_100, committed: 1_101 })] },
    ];
    for (const each of without)
      expect(checkClaims({ ...nothing, ...each })).toEqual({ checked: 0, empty: 0, excused: 1, findings: [] });
    const open = { ...nothing, leases, pauses: [pauseNote(100), pauseNote(500, false)] };
    expect(checkClaims(open).findings).toHaveLength(1);
    expect(checkClaims({ ...nothing, leases, pauses: [pauseNote(100), pauseNote(900, false)] }).findings).toEqual([]);
  });

  test("a row of another queue is passed over, whatever is gone meanwhile", () => {
    const other = change("other", { queue: "other", seq: 0 });
    const history = { ...wrong, changes: [other, late, lateTaken], claims: [claim(1_000, 1_001, [late], twoQueues)] };
    const passed = [["other", expect.stringContaining("took late before it")]];
    expect(checkClaims(history).findings).toEqual(passed);
    expect(
      checkClaims({ ...history, changes: [...history.changes, ...waiting("gone", 1_000, { seq: 1 })] }).findings,
    ).toEqual(passed);
    expect(checkClaims({ ...history, claims: [...history.claims, neighbour([first])] }).findings).toEqual([]);
  });

  test("a row is claimed from a queue that is paused", () => {
    const claims = [claim(1_000, 1_001, [early])];
    const broken = (pauses: History["pauses"]) => rules({ ...EMPTY, claims, pauses });
    expect(broken([pauseNote(100)])).toEqual(["claimed from a paused queue"]);
    expect(broken([pauseNote(100), pauseNote(3_000, false)])).toEqual(["claimed from a paused queue"]);
    for (const fine of [[pauseNote(900)], [pauseNote(100), pauseNote(1_000, false)]]) expect(broken(fine)).toEqual([]);
  });

  const place = fc.record({ priority: fc.integer({ min: -2, max: 2 }), runAt: fc.integer({ min: 0, max: 3 }) });

  test("any backlog that is claimed in order passes, and is found out when two rows of different claims are exchanged", () => {
    fc.assert(
      fc.property(fc.array(place, { minLength: 2, maxLength: 30 }), fc.integer({ min: 1, max: 5 }), (places, limit) => {
        const rows = places.map((each, seq) => change(`r${seq}`, { ...each, seq }));
        const sorted = rows.toSorted((a, b) => b.priority - a.priority || a.runAt - b.runAt || a.seq - b.seq);
        expect(checkClaims(claimedInTurn(sorted, limit)).findings).toEqual([]);
        const [first, last] = [sorted[0], sorted.at(-1)];
        if (first === undefined || last === undefined || sorted.length <= limit) return;
        const exchanged = [last, ...sorted.slice(1, -1), first];
        expect(checkClaims(claimedInTurn(exchanged, limit)).findings).not.toEqual([]);
      }),
    );
  });

  /** A claim each second. */
  function claimedInTurn(rows: readonly Change[], limit: number): History {
    const claims = [];
    const history = [...rows];
    for (let from = 0; from < rows.length; from += limit) {
      const at = 1_000 * (1 + from / limit);
      const taken = rows.slice(from, from + limit);
      const made = claim(at, at + 1, taken, { limit });
      claims.push(made);
      for (const [index, each] of taken.entries())
        history.push({ ...each, begun: at, committed: at + 1, before: "QUEUED", after: "RUNNING", fence: 100 + index });
    }
    return { ...EMPTY, changes: history, claims };
  }
});
