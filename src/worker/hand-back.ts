import type { ServerMessageOf, WorkerMessage } from "../../bridge/src/index.ts";
import type { Store } from "../store/connection.ts";
import { release } from "../store/release.ts";
import { requeue } from "../store/requeue.ts";
import { UNKNOWN_TASK_DELAY } from "./claimer.ts";
import { failure } from "./decide.ts";
import type { HeldAttempts } from "./held.ts";

/** What to do with an attempt that a server rejected. */
export type Rejection = "release" | "requeue" | "drop";

/**
 * UNKNOWN_EXECUTION: a server that had it has it no more, which is infrastructure's doing. NOT_HOLDER: it was adopted, and is no business of ours.
 * Everything else never ran.
 */
export function judgeRejection(code: string): Rejection {
  if (code === "UNKNOWN_EXECUTION") return "requeue";
  return code === "NOT_HOLDER" ? "drop" : "release";
}

export interface HandBackOptions {
  readonly store: Store;
  readonly holder: string;
  readonly held: HeldAttempts;
  readonly onError: (error: unknown) => void;
}

/** The server won't run it: back it goes, without having used a try of the task's own. */
export async function handBack(message: ServerMessageOf<"rejected">, options: HandBackOptions): Promise<void> {
  const { store, holder, held, onError } = options;
  const attempt = held.find(message.execution, message.fence);
  if (attempt === null) return;
  held.drop(attempt.id, attempt.fence);
  const { id, fence, leased } = attempt;
  try {
    switch (judgeRejection(message.code)) {
      case "drop":
        return;
      case "requeue": {
        const error = failure("ServerLost", "ServerLost", message.message);
        await requeue(store, holder, [{ id, fence, error, leased }]);
        return;
      }
      case "release": {
        const unknownTask = message.code === "UNKNOWN_TASK";
        const delaySeconds = unknownTask ? UNKNOWN_TASK_DELAY : message.code === "WITHDRAWN" ? 0 : 1;
        await release(store, holder, [{ id, fence, reason: message.message, delaySeconds, unknownTask, leased }]);
      }
    }
  } catch (error) {
    // Its row still names this incarnation: the reconciler finds it.
    onError(error);
  }
}

/** Asks for everything back that isn't known to have begun; what is being cancelled has its answer coming. */
export function withdrawUnstarted(held: HeldAttempts, send: (message: WorkerMessage) => void): void {
  for (const { id, fence, started, cancelling } of held.all())
    if (!started && !cancelling) send({ type: "withdraw", execution: id, fence });
}
