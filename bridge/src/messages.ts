/** Every message of PROTOCOL.md, version 1. The tables here and the tables there say the same; on the wire a message is [type, ...fields]. */
import { array, attemptKey, bin, type Fields, float, int, map, nullable, str } from "./fields.ts";

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
    database_system_id: nullable(str),
    capabilities: array(str),
  },
  submit: {
    execution: str,
    fence: int,
    attempt: int,
    task: str,
    content_type: str,
    input: bin,
    options: map<Readonly<Record<string, unknown>>>(),
  },
  cancel: { execution: str, fence: int, grace_seconds: float },
  recorded: { attempts: array(attemptKey) },
  authority: { tick: float },
  close: { reason: str },
} as const;

export const SERVER_MESSAGES = {
  welcome: {
    protocol: int,
    build: str,
    epoch: str,
    tick: float,
    pid: int,
    python: str,
    cluster: nullable(map<ClusterInfo>()),
    registry_digest: str,
    held: array(attemptKey),
  },
  refused: { code: str, message: str },
  registry: { tasks: array(map<RegisteredTask>()), failures: array(map<ModuleFailure>()) },
  accepted: { execution: str, fence: int },
  rejected: { execution: str, fence: int, code: str, message: str },
  result: {
    execution: str,
    fence: int,
    outcome: str,
    content_type: nullable(str),
    value: nullable(bin),
    error: nullable(map<AttemptError>()),
    run: map<AttemptRun>(),
  },
  heartbeat: { tick: float, running: int, unrecorded: int },
  fault: { code: str, message: str },
} as const;

type Message<Tables> = { [Type in keyof Tables]: { readonly type: Type } & Fields<Tables[Type]> }[keyof Tables];

/** What a worker sends. */
export type WorkerMessage = Message<typeof WORKER_MESSAGES>;
/** What a server sends. */
export type ServerMessage = Message<typeof SERVER_MESSAGES>;
export type ServerMessageOf<Type extends ServerMessage["type"]> = Extract<ServerMessage, { type: Type }>;
