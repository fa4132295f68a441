/** Histories by hand, for tests of the checker: what a flawless run would leave, a step at a time. */
import type { Change, Claim, Deed, Enqueued, FinalAttempt, FinalRow, History, LeaseNote, Life } from "./history.ts";
import type { Kind } from "./load-plan.ts";

export const EMPTY: History = {
  enqueued: [],
  cancels: [],
  rows: [],
  attempts: [],
  changes: [],
  lives: [],
  claims: [],
  deeds: [],
  undone: [],
  incarnations: [],
  leases: [],
  serverEnds: [],
  pauses: [],
  retries: [],
  bulkCancels: [],
  refusals: 0,
  databaseErrors: {},
  failedClaims: [],
  leftovers: { leases: [], executionLeases: [], servers: [], connections: [], processes: [], stops: [] },
};

export function enqueued(id: string, kind: Kind = "plain", fields: Partial<Enqueued> = {}): Enqueued {
  return {
    id,
    number: 0,
    kind,
    at: 0,
    queue: "default",
    priority: 0,
    seconds: 0,
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
    sentAt: 0,
    committedAt: 1,
    rerunOf: null,
    ...fields,
  };
}

export function row(id: string, fields: Partial<FinalRow> = {}): FinalRow {
  return {
    id,
    state: "SUCCEEDED",
    attempt: 1,
    maxAttempts: 1,
    infrastructureLosses: 0,
    rerunOf: null,
    lastFence: 1,
    resultLife: `${id}-1`,
    errorCode: null,
    errorMessage: null,
    startedAt: 1_000,
    finishedAt: 2_000,
    ...fields,
  };
}

export function attempt(id: string, fields: Partial<FinalAttempt> = {}): FinalAttempt {
  return { id, fence: 1, attempt: 1, outcome: "SUCCEEDED", startedAt: 1_000, finishedAt: 2_000, ...fields };
}

export function life(id: string, fields: Partial<Life> = {}): Life {
  const fence = fields.fence ?? 1;
  return {
    id,
    life: `${id}-${fence}`,
    fence,
    attempt: 1,
    pid: 1,
    begin: 1_000,
    last: 2_000,
    end: "returned",
    ...fields,
  };
}

export function change(id: string, fields: Partial<Change> = {}): Change {
  return {
    id,
    begun: 0,
    committed: 1,
    before: null,
    after: "QUEUED",
    beforeFence: null,
    beforeHolder: null,
    fence: null,
    holder: null,
    queue: "default",
    priority: 0,
    runAt: 0,
    seq: 0,
    ready: true,
    writer: "",
    ...fields,
  };
}

/** From `begin` to `end`, in milliseconds, of rows that were enqueued like these. */
export function claim(begin: number, end: number, rows: readonly Change[], fields: Partial<Claim> = {}): Claim {
  return {
    begin: begin * 1_000,
    end: end * 1_000,
    holder: "h",
    queues: ["default"],
    limit: rows.length,
    rows: rows.map(({ id, queue, priority, runAt, seq }, index) => ({
      id,
      fence: 100 + index,
      queue,
      priority,
      run_at: runAt,
      seq,
    })),
    ...fields,
  };
}

/** The worker `h` may claim, from -1 s to 100 s. */
export function leaseNote(fields: Partial<LeaseNote> = {}): LeaseNote {
  return { id: "h", begun: -1_000, committed: -1_000, state: "READY", expiresAt: 100_000, server: "s", ...fields };
}

export function deed(fields: Partial<Deed> = {}): Deed {
  return {
    at: 0,
    until: 0,
    kind: "kill",
    what: "it",
    cutsStatements: false,
    kills: 1,
    holders: [],
    executions: [],
    missed: null,
    ...fields,
  };
}

/** One execution that went as it should, with these differences. */
export function flawless(id = "x", fields: Partial<FinalRow> = {}): History {
  return { ...EMPTY, enqueued: [enqueued(id)], rows: [row(id, fields)], attempts: [attempt(id)], lives: [life(id)] };
}
