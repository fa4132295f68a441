/** Whether a queue is paused. */
export interface QueuePause {
  readonly name: string;
  /** Nothing is claimed from it since; null: it isn't paused. */
  readonly pausedAt: Date | null;
  readonly pauseReason: string | null;
}

/** A queue that has live executions, a live worker, or was paused. */
export interface TaskQueue extends QueuePause {
  /** QUEUED and due. */
  readonly ready: number;
  /** QUEUED for later: scheduled, or backing off. */
  readonly scheduled: number;
  /** RUNNING and CANCELLING. */
  readonly held: number;
  /** Live workers that take from it. */
  readonly workers: number;
}
