/** Every message of PROTOCOL.md, version 1. The tables here and the tables there say the same; on the wire a message is [type, ...fields]. */
import {
  array,
  attemptKey,
  attempts,
  bin,
  bool,
  creditMap,
  type Fields,
  float,
  int,
  inventoryEntry,
  map,
  nullable,
  resumePoint,
  str,
  word,
} from "./fields.ts";

export const PROTOCOL_MIN = 1;
export const PROTOCOL_MAX = 1;

/** Ray as the server sees it. */
export interface ClusterInfo {
  readonly address: string;
  readonly ray: string;
  readonly nodes: number;
  readonly cpus: number;
  readonly gpus: number;
}

/** What Ray has and has free; memory in bytes. null: Ray never said. */
export interface ClusterFacts {
  readonly nodes: number | null;
  readonly cpus: number | null;
  readonly cpus_free: number | null;
  readonly gpus: number | null;
  readonly gpus_free: number | null;
  readonly memory: number | null;
  readonly memory_free: number | null;
  /** False: it hasn't answered for 10 s, and the rest is what it said last. */
  readonly reachable: boolean;
}

export interface RegisteredParameter {
  readonly name: string;
  readonly kind: "positional_only" | "positional_or_keyword" | "var_positional" | "keyword_only" | "var_keyword";
  readonly required: boolean;
  readonly annotation: string | null;
  readonly default: string | null;
}

export interface RegisteredTask {
  readonly name: string;
  readonly module: string;
  readonly qualname: string;
  readonly file: string | null;
  readonly kind: "function" | "async";
  readonly queue: string;
  readonly num_cpus: number;
  readonly doc: string | null;
  readonly parameters: readonly RegisteredParameter[];
  readonly max_attempts: number | null;
  readonly retry: RegisteredRetry | null;
  readonly timeout_seconds: number | null;
  readonly queue_timeout_seconds: number | null;
}

/** When a failed attempt is tried again, as far as the task's author says: what is left out is the worker's to fill in. */
export interface RegisteredRetry {
  readonly backoff?:
    | { readonly kind: "fixed"; readonly seconds: number }
    | { readonly kind: "exponential"; readonly seconds: number; readonly factor: number }
    | { readonly kind: "list"; readonly seconds: readonly number[] };
  /** No delay is longer. */
  readonly max_seconds?: number;
  readonly jitter?: boolean;
  /** Class names, as in `type` and `bases` of an error: only these are tried again. */
  readonly on?: readonly string[];
  readonly never_on?: readonly string[];
  /** How often infrastructure may take it. */
  readonly losses?: number;
}

/** Which Postgres: the cluster and its history. */
export interface DatabaseIdentity {
  readonly system_id: string;
  readonly timeline: number;
}

/** A module that can't be imported. */
export interface ModuleFailure {
  readonly module: string;
  readonly message: string;
  readonly traceback: string | null;
}

export interface AttemptError {
  readonly code: string;
  readonly type: string;
  readonly bases: readonly string[];
  readonly message: string;
  readonly traceback: string | null;
}

/** What the task asked for by raising Retry, NoRetry or Snooze. */
export interface AttemptAgain {
  readonly retry: boolean;
  /** null: by the policy. */
  readonly after_seconds: number | null;
}

export interface AttemptRun {
  readonly ray_task_id: string | null;
  readonly node_id: string | null;
  readonly worker_id: string | null;
  readonly pid: number | null;
  readonly run_seconds: number | null;
  readonly age_seconds: number;
}

export const WORKER_MESSAGES = {
  hello: {
    protocol_min: int,
    protocol_max: int,
    build: str,
    worker: str,
    incarnation: str,
    hello: int,
    role: word("submit", "drain"),
    replaces: array(str),
    resume: nullable(resumePoint),
    database: nullable(map<DatabaseIdentity>()),
    credit: creditMap,
    capabilities: array(str),
  },
  submit: {
    execution: str,
    fence: int,
    attempt: int,
    task: str,
    content_type: str,
    input: bin,
    timeout_seconds: nullable(float),
    timeout_grace_seconds: float,
    options: map<Readonly<Record<string, unknown>>>(),
  },
  cancel: { execution: str, fence: int, grace_seconds: float },
  withdraw: { execution: str, fence: int },
  recorded: { attempts: attempts(attemptKey) },
  adopt: { attempts: attempts(attemptKey) },
  discard: { attempts: attempts(attemptKey) },
  inventory: {},
  authority: { tick: float },
  heartbeat: { held: int },
  retire: { reason: str },
  close: { reason: str, stop: bool },
} as const;

export const SERVER_MESSAGES = {
  welcome: {
    protocol: int,
    build: str,
    epoch: str,
    hello: int,
    session: str,
    resumed: bool,
    received: int,
    tick: float,
    authority_seconds: float,
    pid: int,
    python: str,
    generation: nullable(str),
    cluster: nullable(map<ClusterInfo>()),
    registry_digest: str,
    credit: creditMap,
    capabilities: array(str),
  },
  refused: {
    hello: int,
    code: word("PROTOCOL_MISMATCH", "SESSION_TAKEN", "WRONG_DATABASE", "ENDING"),
    message: str,
  },
  registry: { tasks: array(map<RegisteredTask>()), failures: array(map<ModuleFailure>()) },
  inventory: { attempts: attempts(inventoryEntry), last: bool },
  accepted: { execution: str, fence: int },
  rejected: {
    execution: str,
    fence: int,
    code: word("UNKNOWN_TASK", "UNKNOWN_EXECUTION", "STALE_FENCE", "ENDING", "WITHDRAWN", "NOT_HOLDER"),
    message: str,
  },
  started: { execution: str, fence: int, run: map<AttemptRun>() },
  progress: { execution: str, fence: int, current: float, total: nullable(float), message: nullable(str) },
  log: {
    execution: str,
    fence: int,
    level: word("debug", "info", "warn", "error"),
    text: str,
    age_seconds: float,
    dropped: int,
  },
  result: {
    execution: str,
    fence: int,
    outcome: word("SUCCEEDED", "FAILED", "TIMED_OUT", "CANCELLED", "SNOOZED", "LOST"),
    content_type: nullable(str),
    value: nullable(bin),
    error: nullable(map<AttemptError>()),
    again: nullable(map<AttemptAgain>()),
    run: map<AttemptRun>(),
  },
  heartbeat: { tick: float, running: int, unrecorded: int, unrecorded_bytes: int, accepting: bool },
  cluster: { cluster: map<ClusterFacts>() },
  gap: { received: int },
  fault: {
    code: word("BAD_FRAME", "BAD_SEQUENCE", "WRONG_EPOCH", "NO_SESSION", "BAD_STATE", "TOO_LARGE"),
    message: str,
  },
} as const;

/** May be lost, and are never sent again: in frames without a number. */
export const LOOSE: ReadonlySet<string> = new Set([
  "hello",
  "authority",
  "heartbeat",
  "cluster",
  "welcome",
  "refused",
  "progress",
  "log",
  "gap",
  "fault",
]);

type Message<Tables> = { [Type in keyof Tables]: { readonly type: Type } & Fields<Tables[Type]> }[keyof Tables];

/** What a worker sends. */
export type WorkerMessage = Message<typeof WORKER_MESSAGES>;
/** What a server sends. */
export type ServerMessage = Message<typeof SERVER_MESSAGES>;
export type WorkerMessageOf<Type extends WorkerMessage["type"]> = Extract<WorkerMessage, { type: Type }>;
export type ServerMessageOf<Type extends ServerMessage["type"]> = Extract<ServerMessage, { type: Type }>;
