import type { Store } from "./store/connection.ts";
import type { PauseRow } from "./store/pause.ts";
import { readQueues } from "./store/queues.ts";

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

export function toQueuePause({ name, paused_at, pause_reason }: PauseRow): QueuePause {
  return { name, pausedAt: paused_at === null ? null : new Date(paused_at), pauseReason: pause_reason };
}

/** Every queue that is paused, has live executions or a live worker, by name. */
export async function readTaskQueues(store: Store): Promise<TaskQueue[]> {
  return (await readQueues(store)).map((row) => {
    const { ready, scheduled, held, workers } = row;
    return { ...toQueuePause(row), ready, scheduled, held, workers };
  });
}
