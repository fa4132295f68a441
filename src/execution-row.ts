import type { AttemptPhase, Progress } from "./attempt.ts";
import type { TaskError } from "./errors.ts";
import type { PartialRetry } from "./retry-policy.ts";
import type { TaskState } from "./task-state.ts";

/** An execution as `readExecutions` answers it: JSON, instants as ISO strings, payloads as text. */
export interface ExecutionRow {
  readonly id: string;
  readonly seq: number;
  readonly task: string;
  readonly queue: string;
  readonly state: TaskState;
  readonly priority: number;
  readonly attempt: number;
  readonly max_attempts: number | null;
  readonly retry: PartialRetry | null;
  readonly timeout_seconds: number | null;
  readonly expires_at: string | null;
  readonly infrastructure_losses: number;
  readonly input_json: string | null;
  readonly input_base64: string | null;
  readonly result_json: string | null;
  readonly result_base64: string | null;
  readonly error: TaskError | null;
  readonly tags: readonly string[];
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly rerun_of: string | null;
  readonly wait_reason: string | null;
  readonly worker: string | null;
  /** Its lease row, where it is held for longer than a beat. */
  readonly lease: { readonly phase: AttemptPhase; readonly progress: Progress | null } | null;
  readonly ray_task_id: string | null;
  readonly ray_node_id: string | null;
  readonly ray_worker_id: string | null;
  readonly pid: number | null;
  readonly created_at: string;
  readonly run_at: string;
  /** Queued beyond its deadline, and not expired yet. */
  readonly overdue: boolean;
  readonly claimed_at: string | null;
  readonly started_at: string | null;
  readonly finished_at: string | null;
  readonly cancel_requested_at: string | null;
  readonly cancel_reason: string | null;
}

/** Bytes of a base64 column. */
export function fromBase64(text: string | null): Uint8Array | null {
  return text === null ? null : new Uint8Array(Buffer.from(text, "base64"));
}
