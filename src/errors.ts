/**
 * Every error that rayferry throws, in one tree. `code` is stable; match on it or on the class, never on the text.
 *
 * RayferryError
 * ├─ ConfigurationError            CONFIGURATION            an option or a setting is wrong
 * │  ├─ OptionNotSupportedError    OPTION_NOT_SUPPORTED     known to the design, not built yet: refused, never ignored
 * │  └─ KeyFileError               KEY_FILE                 missing, open to others, or not the key that is needed
 * ├─ DatabaseError                 DATABASE                 Postgres said no to a statement
 * │  ├─ DatabaseUnreachableError   DATABASE_UNREACHABLE     nothing answers at the URL
 * │  ├─ DatabaseLoginError         DATABASE_LOGIN           wrong user or password, or no such database
 * │  ├─ DatabaseNotMigratedError   DATABASE_NOT_MIGRATED    `rayferry migrate` has not been run
 * │  └─ DatabaseNewerError         DATABASE_NEWER           a newer rayferry migrated it
 * ├─ EnqueueError                  ENQUEUE                  an execution was refused before it was written
 * │  ├─ UnknownTaskError           UNKNOWN_TASK
 * │  ├─ InvalidInputError          INVALID_INPUT            the arguments don't fit the task's signature
 * │  ├─ PayloadNotSerializableError PAYLOAD_NOT_SERIALIZABLE
 * │  └─ PayloadTooLargeError       PAYLOAD_TOO_LARGE
 * ├─ ExecutionError                EXECUTION                what became of an execution
 * │  ├─ ExecutionNotFoundError     EXECUTION_NOT_FOUND
 * │  ├─ ExecutionStateError        EXECUTION_STATE          what was asked for can't be done in the state that it is in
 * │  ├─ ExecutionFailedError       EXECUTION_FAILED         carries Python's type, message and traceback
 * │  ├─ ExecutionCancelledError    EXECUTION_CANCELLED
 * │  ├─ ExecutionExpiredError      EXECUTION_EXPIRED
 * │  ├─ ExecutionLostError         EXECUTION_LOST           the infrastructure failed more often than allowed
 * │  ├─ ResultTimeoutError         RESULT_TIMEOUT           not finished in the time given; it goes on
 * │  └─ PayloadNotReadableError    PAYLOAD_NOT_READABLE     its input or result, as kept, isn't a payload of this version
 * ├─ WorkerError                   WORKER                   the daemon can't start or go on, or isn't there
 * │  ├─ WorkerNotFoundError        WORKER_NOT_FOUND         no live worker has this name
 * │  ├─ WorkerNameTakenError       WORKER_NAME_TAKEN        a live worker has this name on this host
 * │  └─ SidecarError               SIDECAR                  the Python process didn't start, or died
 * ├─ BridgeError                   BRIDGE                   the link between worker and sidecar
 * │  ├─ BridgeRefusedError         BRIDGE_REFUSED           the server won't have this worker: another version or database, or it has one
 * │  └─ BridgeSecurityError        BRIDGE_SECURITY          the keys of the two sides don't fit
 * └─ ClosedError                   CLOSED                   used after close()
 */
import type { TaskState } from "./task-state.ts";

export abstract class RayferryError extends Error {
  abstract readonly code: string;

  override get name(): string {
    return this.constructor.name;
  }
}

export class ConfigurationError extends RayferryError {
  readonly code: string = "CONFIGURATION";
}

export class OptionNotSupportedError extends ConfigurationError {
  override readonly code = "OPTION_NOT_SUPPORTED";
}

export type KeyFileReason =
  | "MISSING"
  | "UNREADABLE"
  | "MALFORMED"
  /** Others may read the secret. */
  | "OPEN"
  /** The public half where the secret is needed. */
  | "NOT_SECRET"
  /** The secret where the public half is needed. */
  | "SECRET"
  /** The server's where the client's is needed, or the other way round. */
  | "WRONG_ROLE"
  /** There already, where a new one is to be written. */
  | "EXISTS"
  | "UNWRITABLE";

export class KeyFileError extends ConfigurationError {
  override readonly code = "KEY_FILE";
  readonly reason: KeyFileReason;

  constructor(reason: KeyFileReason, message: string, options?: ErrorOptions) {
    super(message, options);
    this.reason = reason;
  }
}

export class DatabaseError extends RayferryError {
  readonly code: string = "DATABASE";
}

export class DatabaseUnreachableError extends DatabaseError {
  override readonly code = "DATABASE_UNREACHABLE";
}

export class DatabaseLoginError extends DatabaseError {
  override readonly code = "DATABASE_LOGIN";
}

export class DatabaseNotMigratedError extends DatabaseError {
  override readonly code = "DATABASE_NOT_MIGRATED";
}

export class DatabaseNewerError extends DatabaseError {
  override readonly code = "DATABASE_NEWER";
}

export class EnqueueError extends RayferryError {
  readonly code: string = "ENQUEUE";
}

export class UnknownTaskError extends EnqueueError {
  override readonly code = "UNKNOWN_TASK";
}

export class InvalidInputError extends EnqueueError {
  override readonly code = "INVALID_INPUT";
}

export class PayloadNotSerializableError extends EnqueueError {
  override readonly code = "PAYLOAD_NOT_SERIALIZABLE";
}

export class PayloadTooLargeError extends EnqueueError {
  override readonly code = "PAYLOAD_TOO_LARGE";
}

export class ExecutionError extends RayferryError {
  readonly code: string = "EXECUTION";
}

export class ExecutionNotFoundError extends ExecutionError {
  override readonly code = "EXECUTION_NOT_FOUND";
}

/** `retry`, `rerun` or `delete` of an execution whose state doesn't allow it: nothing was changed. The message says what can be done instead. */
export class ExecutionStateError extends ExecutionError {
  override readonly code = "EXECUTION_STATE";
  readonly executionId: string;
  /** What it was when it was asked. */
  readonly state: TaskState;

  constructor(message: string, executionId: string, state: TaskState) {
    super(message);
    this.executionId = executionId;
    this.state = state;
  }
}

/** What a task raised, as kept in the `error` column and sent over the bridge. */
export interface TaskError {
  /** rayferry's word for the kind: `TaskError`, `InvalidInput`, `ProcessCrashed`, ... (bridge/PROTOCOL.md). */
  readonly code: string;
  /** Python's class, `ValueError` or `module.Class`. */
  readonly type: string;
  /** Names of its base classes, nearest first, without `object`. */
  readonly bases: readonly string[];
  readonly message: string;
  /** Python's traceback from the task's own frames on, or null where there is none. */
  readonly traceback: string | null;
}

/** The task raised, or could not be run. `pythonType`, `message` and `traceback` are Python's own. */
export class ExecutionFailedError extends ExecutionError {
  override readonly code = "EXECUTION_FAILED";
  readonly executionId: string;
  readonly task: string;
  /** The error as recorded. */
  readonly error: TaskError;

  constructor(executionId: string, task: string, error: TaskError) {
    super(`${error.type}: ${error.message} (task ${task}, execution ${executionId})`);
    this.executionId = executionId;
    this.task = task;
    this.error = error;
  }

  /** Python's class, `ValueError` or `module.Class`. */
  get pythonType(): string {
    return this.error.type;
  }

  /** Python's message alone. */
  get pythonMessage(): string {
    return this.error.message;
  }

  /** Python's traceback, or null. */
  get traceback(): string | null {
    return this.error.traceback;
  }
}

export class ExecutionCancelledError extends ExecutionError {
  override readonly code = "EXECUTION_CANCELLED";
}

export class ExecutionExpiredError extends ExecutionError {
  override readonly code = "EXECUTION_EXPIRED";
}

export class ExecutionLostError extends ExecutionError {
  override readonly code = "EXECUTION_LOST";
}

export class ResultTimeoutError extends ExecutionError {
  override readonly code = "RESULT_TIMEOUT";
}

export class PayloadNotReadableError extends ExecutionError {
  override readonly code = "PAYLOAD_NOT_READABLE";
}

export class WorkerError extends RayferryError {
  readonly code: string = "WORKER";
}

export class WorkerNotFoundError extends WorkerError {
  override readonly code = "WORKER_NOT_FOUND";
}

export class WorkerNameTakenError extends WorkerError {
  override readonly code = "WORKER_NAME_TAKEN";
}

/** `reason` is the sidecar's own code where it gave one: `RAY_UNREACHABLE`, `MISSING_PACKAGE`, ... */
export class SidecarError extends WorkerError {
  override readonly code = "SIDECAR";
  readonly reason: string;

  constructor(reason: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.reason = reason;
  }
}

export class BridgeError extends RayferryError {
  readonly code: string = "BRIDGE";
}

export type BridgeRefusedReason =
  /** The two speak no common version. */
  | "PROTOCOL_MISMATCH"
  /** Another worker has the server. */
  | "SESSION_TAKEN"
  /** It works for another database. */
  | "WRONG_DATABASE"
  /** It ends. */
  | "ENDING"
  /** What answers there isn't a server of rayferry. */
  | "NOT_A_SERVER";

export class BridgeRefusedError extends BridgeError {
  override readonly code = "BRIDGE_REFUSED";
  readonly reason: BridgeRefusedReason;
  /** Of the server that refused; null where nothing that has one did. */
  readonly epoch: string | null;

  constructor(reason: BridgeRefusedReason, message: string, epoch: string | null = null, options?: ErrorOptions) {
    super(message, options);
    this.reason = reason;
    this.epoch = epoch;
  }
}

export type BridgeSecurityReason =
  /** The server doesn't know the worker's key. */
  | "UNKNOWN_CLIENT_KEY"
  /** The server isn't the one whose key the worker was given. */
  | "WRONG_SERVER_KEY"
  /** The server takes only workers with a key, and this one has none. */
  | "KEY_NEEDED"
  /** The server has no key, and the worker expects one. */
  | "KEY_UNWANTED";

export class BridgeSecurityError extends BridgeError {
  override readonly code = "BRIDGE_SECURITY";
  readonly reason: BridgeSecurityReason;

  constructor(reason: BridgeSecurityReason, message: string, options?: ErrorOptions) {
    super(message, options);
    this.reason = reason;
  }
}

export class ClosedError extends RayferryError {
  readonly code = "CLOSED";
}
