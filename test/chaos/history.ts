/**
 * What a run leaves behind, as plain data: what the client knows, what the tables say at the end, what a trigger of the run's own noted of every change,
 * what the task bodies wrote, what the claims wrote, and what was done to it all. The checker sees nothing else.
 *
 * All instants are milliseconds of the machine's wall clock, which Postgres, task processes and the script share. (The worker whose clock is
 * wrong writes no instant of its own anywhere, which is what that fault shows.)
 */
import type { PlannedExecution } from "./load-plan.ts";

/** An execution as the client meant it. */
export interface Enqueued extends PlannedExecution {
  readonly id: string;
  readonly sentAt: number;
  /** When the client had an answer; null: it never had one. */
  readonly committedAt: number | null;
  /** The execution that it is a rerun of. */
  readonly rerunOf: string | null;
}

/** A `cancelMany` of a tag. */
export interface BulkCancel {
  readonly tag: string;
  readonly at: number;
  /** When it was answered; null: it never was. */
  readonly until: number | null;
}

/** A cancel that was asked for, and the state that was answered; null: no answer came. */
export interface CancelAsked {
  readonly id: string;
  readonly at: number;
  readonly state: string | null;
}

/** A retry of the client's. It locks the row while it looks, whatever comes of it. */
export interface Ask {
  readonly id: string;
  readonly at: number;
  /** Null: no answer came. */
  readonly until: number | null;
}

/** A write of a worker's lease that changed what it may do. */
export interface LeaseNote {
  /** Of the incarnation. */
  readonly id: string;
  readonly begun: number;
  readonly committed: number;
  readonly state: string;
  readonly expiresAt: number;
  readonly server: string | null;
}

/** A server became known as dead. */
export interface ServerEnd {
  readonly id: string;
  readonly begun: number;
}

/** A queue was paused or resumed. */
export interface PauseNote {
  readonly queue: string;
  readonly begun: number;
  readonly committed: number;
  readonly isPaused: boolean;
}

/** The row at the end. */
export interface FinalRow {
  readonly id: string;
  readonly state: string;
  readonly attempt: number;
  readonly maxAttempts: number;
  readonly infrastructureLosses: number;
  readonly rerunOf: string | null;
  readonly lastFence: number | null;
  /** What `chaos.body` returned: the life that did. */
  readonly resultLife: string | null;
  readonly errorCode: string | null;
  readonly errorMessage: string | null;
  readonly startedAt: number | null;
  readonly finishedAt: number | null;
}

/** A line of the view `ray_task_attempt`. */
export interface FinalAttempt {
  readonly id: string;
  readonly fence: number;
  readonly attempt: number;
  readonly outcome: string;
  readonly startedAt: number | null;
  readonly finishedAt: number | null;
}

/** One INSERT or UPDATE of a row that changed its state, its holder or its place in the queue. */
export interface Change {
  readonly id: string;
  /** The transaction's begin and commit. Another transaction sees it some moments after that commit at the latest. */
  readonly begun: number;
  readonly committed: number;
  /** Null: an INSERT. */
  readonly before: string | null;
  readonly after: string;
  readonly beforeFence: number | null;
  readonly beforeHolder: string | null;
  readonly fence: number | null;
  readonly holder: string | null;
  readonly queue: string;
  readonly priority: number;
  /** Microseconds. */
  readonly runAt: number;
  readonly seq: number;
  readonly ready: boolean;
  /** The name of the connection that wrote it: "rayferry worker NAME" of a worker's. */
  readonly writer: string;
}

/** One run of a body. */
export interface Life {
  readonly id: string;
  readonly life: string;
  readonly fence: number;
  readonly attempt: number;
  readonly pid: number;
  readonly begin: number;
  /** Its last sign of life. */
  readonly last: number;
  /** Null: it was cut off. `returned` is what it was about to do when it wrote its last line. */
  readonly end: "returned" | "raised" | "snoozed" | "interrupted" | null;
}

/** A claim, as its worker's journal has it. */
export interface Claim {
  /** Microseconds, as in `ClaimEntry`. */
  readonly begin: number;
  readonly end: number;
  readonly holder: string;
  readonly queues: readonly string[];
  readonly limit: number;
  readonly rows: readonly {
    readonly id: string;
    readonly fence: number;
    readonly queue: string;
    readonly priority: number;
    readonly run_at: number;
    readonly seq: number;
  }[];
}

/** Something that was done to the system. */
export interface Deed {
  readonly at: number;
  readonly until: number;
  readonly kind: string;
  readonly what: string;
  /** It may have ended statements in the middle. */
  readonly cutsStatements: boolean;
  /** How many processes it killed. */
  readonly kills: number;
  /** Incarnations that lost their process, or their server. */
  readonly holders: readonly string[];
  /** Executions whose task process was killed. */
  readonly executions: readonly string[];
  /** What it was to bring about, and didn't; null: nothing. */
  readonly missed: string | null;
}

/** A planned fault that was never done, though the machine can. */
export interface Undone {
  readonly kind: string;
  readonly why: string;
}

export interface Incarnation {
  readonly id: string;
  readonly name: string;
  readonly state: string;
  readonly refused: number;
}

/** What is left when all work has ended, and then when all has been stopped: a line each. */
export interface Leftovers {
  readonly leases: readonly string[];
  readonly executionLeases: readonly string[];
  readonly servers: readonly string[];
  readonly connections: readonly string[];
  readonly processes: readonly string[];
  /** Workers that didn't end by SIGTERM with status 0. */
  readonly stops: readonly string[];
}

export interface History {
  readonly enqueued: readonly Enqueued[];
  readonly cancels: readonly CancelAsked[];
  readonly rows: readonly FinalRow[];
  readonly attempts: readonly FinalAttempt[];
  readonly changes: readonly Change[];
  readonly lives: readonly Life[];
  readonly claims: readonly Claim[];
  readonly deeds: readonly Deed[];
  readonly undone: readonly Undone[];
  readonly incarnations: readonly Incarnation[];
  readonly leases: readonly LeaseNote[];
  readonly serverEnds: readonly ServerEnd[];
  readonly pauses: readonly PauseNote[];
  readonly retries: readonly Ask[];
  readonly bulkCancels: readonly BulkCancel[];
  /** Late write-backs that workers' logs say were refused. Their leases say so too, unless they ran out before another beat could tell. */
  readonly refusals: number;
  /** How often Postgres said each SQLSTATE, by "SQLSTATE verb". */
  readonly databaseErrors: Readonly<Record<string, number>>;
  /** When Postgres told of a claim that failed. */
  readonly failedClaims: readonly number[];
  readonly leftovers: Leftovers;
}

export const TERMINAL: ReadonlySet<string> = new Set(["SUCCEEDED", "FAILED", "CANCELLED", "EXPIRED", "LOST"]);
