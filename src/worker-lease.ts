export type WorkerState = "STARTING" | "READY" | "DRAINING" | "STOPPED" | "LOST";

/** One worker incarnation's lease: what it said with its last beat, at most 2 s ago while it is alive. */
export interface TaskWorkerLease {
  readonly id: string;
  readonly name: string;
  readonly host: string;
  readonly pid: number;
  readonly version: string;
  readonly queues: readonly string[];
  readonly tasks: readonly string[];
  /** LOST: its lease has run out. */
  readonly state: WorkerState;
  /** It sweeps for all workers: one of them does. */
  readonly leads: boolean;
  /** Most executions at once; null before it is READY. */
  readonly slots: number | null;
  /** Executions that it holds: sent and not yet taken by the server; waiting for room in Ray; running. */
  readonly submitted: number;
  readonly pending: number;
  readonly running: number;
  /** Write-backs of its own that lost to a newer fence or holder. */
  readonly refused: number;
  /** Whether its server takes work now; null before there is one, and after the end. */
  readonly accepting: boolean | null;
  /** Of the Python process that it started; null with a server that somebody else started. */
  readonly sidecarPid: number | null;
  /** The server that it submits to; null before there is one. */
  readonly server: WorkerServer | null;
  /** Ray as its server last saw it; null without Ray. */
  readonly ray: RayFacts | null;
  /** Its last trouble, or what it waits for while it is STARTING. */
  readonly lastError: string | null;
  readonly lastErrorAt: Date | null;
  readonly drainRequestedAt: Date | null;
  readonly startedAt: Date;
  readonly heartbeatAt: Date;
  /** Seconds since its last beat, by the database's clock. */
  readonly heartbeatAgeSeconds: number;
  readonly expiresAt: Date;
  readonly stoppedAt: Date | null;
}

export interface WorkerServer {
  readonly id: string;
  /** Drawn at its start. */
  readonly epoch: string;
  readonly pid: number;
  readonly build: string;
  readonly endpoint: string;
  /** Of a server in a detached actor. */
  readonly actorName: string | null;
  /** Package build and task code of a server in an actor. */
  readonly generation: string | null;
  /** It is known to be dead. */
  readonly isEnded: boolean;
}

/** Ray as a server sees it; null where Ray can't say. Memory in bytes. */
export interface RayFacts {
  readonly address: string | null;
  readonly version: string | null;
  /** False: it hasn't answered for 10 s. */
  readonly reachable: boolean;
  readonly nodes: number | null;
  readonly cpus: number | null;
  readonly cpusFree: number | null;
  readonly gpus: number | null;
  readonly gpusFree: number | null;
  readonly memory: number | null;
  readonly memoryFree: number | null;
}
