import type { ServerMessageOf } from "../../bridge/src/index.ts";
import type { Logger } from "../logger.ts";
import type { Store } from "../store/connection.ts";
import { type Listening, listen } from "../store/listen.ts";
import type { CancelRelay } from "./cancel-relay.ts";
import { Claimer } from "./claimer.ts";
import { Completer } from "./completer.ts";
import type { HeldAttempts } from "./held.ts";
import type { WorkerSettings } from "./options.ts";
import type { ServerLink } from "./server-link.ts";
import { Sweeper } from "./sweeper.ts";

/** Milliseconds for results that have come to reach Postgres. */
const FLUSH = 3_000;

export interface ServicesOptions {
  readonly store: Store;
  readonly session: Pick<ServerLink, "send">;
  readonly held: HeldAttempts;
  readonly cancels: CancelRelay;
  readonly holder: string;
  readonly server: string;
  readonly settings: WorkerSettings;
  readonly slots: number;
  readonly tasks: readonly string[];
  readonly logger: Logger;
  readonly onError: (error: unknown) => void;
}

/** What works for an incarnation that is READY. */
export interface Services {
  /** Writes a result back. */
  record(result: ServerMessageOf<"result">): void;
  /** Claims no more; resolves when the claim under way is done. */
  stopClaiming(): Promise<void>;
  /** Writes what has come, then ends everything. */
  stop(): Promise<void>;
}

/** Starts claimer, completer and sweeper, and the notifications that wake them. */
export async function startServices(options: ServicesOptions): Promise<Services> {
  const { store, session, held, holder, server, settings, slots, tasks, logger, onError } = options;
  const sweeper = new Sweeper({ store, logger, onError });
  const claimer = new Claimer({
    store,
    session,
    held,
    holder,
    server,
    worker: settings.name,
    queues: settings.queues,
    slots,
    tasks: new Set(tasks),
    logger,
    onError,
  });
  const completer = new Completer({ store, session, held, holder, logger, onRoom: () => claimer.wake(), onError });
  const listenings = await listenFor(options, claimer, sweeper);
  completer.start();
  sweeper.start();
  claimer.start();
  return {
    record: (result) => completer.add(result),
    stopClaiming: () => claimer.stop(),
    async stop() {
      await completer.flush(FLUSH);
      await Promise.all([claimer.stop(), completer.stop(), sweeper.stop()]);
      for (const each of listenings) each?.stop();
    },
  };
}

function listenFor(options: ServicesOptions, claimer: Claimer, sweeper: Sweeper): Promise<(Listening | null)[]> {
  const { store, holder, cancels } = options;
  const queues = new Set(options.settings.queues);
  const onEnqueued = (queue: string) => {
    if (queue === "") sweeper.wake();
    else if (queues.has(queue)) claimer.wake();
  };
  const onCancel = (told: string) => {
    if (told === holder) void cancels.read();
  };
  return Promise.all([
    listen(store, store.names.enqueuedChannel, onEnqueued, () => claimer.wake()),
    listen(store, store.names.cancelChannel, onCancel, () => void cancels.read()),
  ]);
}
