/** What becomes of work that is held when the worker stops. */
import type { Logger } from "../logger.ts";
import type { Store } from "../store/connection.ts";
import { type LostAttempt, requeue } from "../store/requeue.ts";
import { reportOf } from "./begun.ts";
import { failure } from "./decide.ts";
import { withdrawUnstarted } from "./hand-back.ts";
import type { HeldAttempts } from "./held.ts";
import type { ServerLink } from "./server-link.ts";

/** Milliseconds for killed attempts to report, before they are requeued without. */
const KILL_REPORT = 6_000;
/** Seconds from the end of a driver to the end of its last task: Ray takes up to 3. */
const STOPPED_AFTER = 5;
/** Milliseconds for the server to give back what hasn't started. */
const WITHDRAW = 1_000;

export interface LeaveWorkOptions {
  readonly link: ServerLink;
  readonly held: HeldAttempts;
  /** Seconds that running work gets. */
  readonly grace: number;
  readonly logger: Logger;
}

export interface StopWorkOptions extends LeaveWorkOptions {
  readonly store: Store;
  readonly holder: string;
}

/** A server in our own process: what doesn't end within the grace is killed and requeued on the infrastructure's budget. */
export async function stopWork({ link, held, store, holder, grace, logger }: StopWorkOptions): Promise<void> {
  if (held.size > 0) logger.info({ running: held.size, grace }, "waiting for running work");
  if (await held.emptyWithin(grace * 1000)) return;
  for (const { id, fence } of held.all()) link.send({ type: "cancel", execution: id, fence, grace_seconds: 0 });
  if (await held.emptyWithin(KILL_REPORT)) return;
  // Silent ones: only when the sidecar and its Ray are gone are they known to have stopped.
  await link.stop("the worker stops");
  const error = failure("ServerStopped", "ServerStopped", "its worker stopped");
  const lost: LostAttempt[] = held
    .all()
    .map(({ id, fence, leased, begun }) => ({ id, fence, error, run: reportOf(begun), leased }));
  const rows = await requeue(store, holder, lost, STOPPED_AFTER).catch((failed: unknown) => {
    logger.error({ error: String(failed) }, "couldn't requeue what was running; a sweep will");
    return [];
  });
  logger.warn({ executions: rows.length }, "requeued what was still running");
}

/**
 * A server that outlives us: what hasn't started is handed back for others to claim, and what runs gets its grace, for what ends by itself meanwhile
 * is recorded. The rest goes on and is adopted.
 */
export async function leaveWork({ link, held, grace, logger }: LeaveWorkOptions): Promise<void> {
  withdrawUnstarted(held, (message) => link.send(message));
  await held.settledWithin(WITHDRAW);
  if (held.size > 0 && grace > 0) {
    logger.info({ running: held.size, grace }, "waiting for running work");
    await held.emptyWithin(grace * 1000);
  }
  if (held.size > 0) logger.info({ running: held.size }, "leaving what runs to the next incarnation");
}
