import { ConfigurationError } from "../errors.ts";

/** The default schema of rayferry's tables. */
export const DEFAULT_SCHEMA = "rayferry";

/** Quoted names of everything that statements mention, and the notification channels, for one schema. */
export interface Names {
  readonly schema: string;
  readonly execution: string;
  readonly attemptEnded: string;
  readonly attempt: string;
  readonly lease: string;
  readonly executionLease: string;
  readonly queue: string;
  readonly count: string;
  readonly sidecar: string;
  readonly definition: string;
  readonly runtimeEnv: string;
  readonly log: string;
  readonly streamItem: string;
  readonly migration: string;
  /** As a literal for `nextval`. */
  readonly fence: string;
  readonly state: string;
  readonly phase: string;
  readonly workerState: string;
  /** Payload: a queue's name. */
  readonly enqueuedChannel: string;
  /** Payload: ids, comma-separated. */
  readonly finishedChannel: string;
  /** Payload: ids of executions that have new log lines or stream items, comma-separated. */
  readonly outputChannel: string;
  /** Payload: a holder's id. */
  readonly cancelChannel: string;
}

/**
 * The names for `schema`.
 *
 * @throws ConfigurationError when it isn't a lower-case identifier of at most 40 characters: it becomes part of channel names.
 */
export function namesFor(schema: string = DEFAULT_SCHEMA): Names {
  if (!/^[a-z_][a-z0-9_]{0,39}$/.test(schema)) {
    throw new ConfigurationError(
      `The schema must be a lower-case identifier of at most 40 characters (a-z, 0-9, _), not ${JSON.stringify(schema)}.`,
    );
  }
  const quoted = (name: string) => `"${schema}"."${name}"`;
  return {
    schema,
    execution: quoted("ray_task_execution"),
    attemptEnded: quoted("ray_task_attempt_ended"),
    attempt: quoted("ray_task_attempt"),
    lease: quoted("task_worker_lease"),
    executionLease: quoted("execution_lease"),
    queue: quoted("task_queue"),
    count: quoted("task_count"),
    sidecar: quoted("task_sidecar"),
    definition: quoted("task_definition"),
    runtimeEnv: quoted("task_runtime_env"),
    log: quoted("ray_task_log"),
    streamItem: quoted("ray_task_stream_item"),
    migration: quoted("migration"),
    fence: `'${quoted("fence")}'`,
    state: quoted("task_state"),
    phase: quoted("attempt_phase"),
    workerState: quoted("worker_state"),
    enqueuedChannel: `${schema}_enqueued`,
    finishedChannel: `${schema}_finished`,
    outputChannel: `${schema}_output`,
    cancelChannel: `${schema}_cancel`,
  };
}
