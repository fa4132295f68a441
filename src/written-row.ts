import type { ExecutionRow } from "./execution-row.ts";
import type { EnqueuedRow, NewExecution } from "./store/enqueue.ts";

/** A row for what was just written, without reading it back. */
export function toRow(execution: NewExecution, answer: EnqueuedRow): ExecutionRow {
  const { bytes } = execution.input;
  return {
    id: execution.id,
    seq: answer.seq,
    task: execution.task,
    queue: answer.queue,
    state: "QUEUED",
    priority: execution.priority,
    attempt: 0,
    max_attempts: answer.max_attempts,
    retry: answer.retry,
    timeout_seconds: answer.timeout_seconds,
    expires_at: answer.expires_at,
    infrastructure_losses: 0,
    input_json: execution.input.json,
    input_base64: bytes === null ? null : Buffer.from(bytes).toString("base64"),
    result_json: null,
    result_base64: null,
    error: null,
    tags: execution.tags,
    metadata: execution.metadata,
    rerun_of: null,
    wait_reason: null,
    worker: null,
    lease: null,
    ray_task_id: null,
    ray_node_id: null,
    ray_worker_id: null,
    pid: null,
    created_at: answer.created_at,
    run_at: answer.run_at,
    overdue: false,
    claimed_at: null,
    started_at: null,
    finished_at: null,
    cancel_requested_at: null,
    cancel_reason: null,
  };
}
