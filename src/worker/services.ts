import type { WorkerMessage } from "../../bridge/src/index.ts";
import type { Logger } from "../logger.ts";
import type { Store } from "../store/connection.ts";
import { readCancels } from "../store/lease.ts";
import { type Listening, listen } from "../store/listen.ts";
import { claimInto } from "./claim-journal.ts";
import { Claimer } from "./claimer.ts";
import { sayWhenDeaf } from "./deaf.ts";
import type { WorkerSettings } from "./options.ts";
import { Pruner } from "./pruner.ts";
import type { Served } from "./served.ts";
import type { Sweeper } from "./sweeper.ts";

export interface ServicesOptions {
  readonly store: Store;
  readonly holder: string;
  readonly settings: WorkerSettings;
  readonly slots: number;
  readonly tasks: readonly string[];
  /** The server that is submitted to. */
  readonly own: Served;
  /** The process's own; notifications wake it. */
  readonly sweeper: Sweeper;
  /** It prunes for all. */
  readonly leads: () => boolean;
  /** The lease holds. */
  readonly mayAct: () => boolean;
  readonly send: (message: WorkerMessage) => void;
  /** Every server with a session, the own one included. */
  readonly servers: () => readonly Served[];
  readonly logger: Logger;
  /** Something is wrong that isn't the database's doing: a sentence, once. */
  readonly onTrouble: (sentence: string) => void;
  readonly onError: (error: unknown) => void;
}

/** What works for an incarnation that is READY. */
export interface Services {
  /** There is room for more. */
  wakeClaimer(): void;
  /** It leads from now on. */
  takeLead(): void;
  /** Claims no more; resolves when the claim under way is done. */
  stopClaiming(): Promise<void>;
  stop(): Promise<void>;
}

/** Starts claimer and pruner, and the notifications that wake them. */
export async function startServices(options: ServicesOptions): Promise<Services> {
  const { store, send, own, holder, settings, slots, tasks, logger, onError } = options;
  const { leads, onTrouble } = options;
  const pruner = new Pruner({ store, keep: settings.retention, leads, logger, onTrouble, onError });
  const claimer = new Claimer({
    store,
    claim: claimInto(settings.claimJournal),
    send,
    accepting: () => own.accepting,
    mayAct: options.mayAct,
    held: own.attempts.held,
    holder,
    server: own.server,
    worker: settings.name,
    queues: settings.queues,
    slots,
    tasks: new Set(tasks),
    graceSeconds: settings.cancelGrace,
    logger,
    onError,
  });
  const listenings = await listenFor(options, claimer);
  const stopWatching = sayWhenDeaf(store, logger);
  pruner.start();
  claimer.start();
  return {
    wakeClaimer: () => claimer.wake(),
    takeLead: () => pruner.takeOver(),
    stopClaiming: () => claimer.stop(),
    async stop() {
      await Promise.all([claimer.stop(), pruner.stop()]);
      stopWatching();
      for (const each of listenings) each?.stop();
    },
  };
}

function listenFor(options: ServicesOptions, claimer: Claimer): Promise<(Listening | null)[]> {
  const { store, holder, sweeper } = options;
  const queues = new Set(options.settings.queues);
  const onEnqueued = (queue: string) => {
    if (queue === "") sweeper.wake();
    else if (queues.has(queue)) claimer.wake();
  };
  const onCancel = (told: string) => {
    if (told === holder) void passCancelsOn(options);
  };
  return Promise.all([
    listen(store, store.names.enqueuedChannel, onEnqueued, () => claimer.wake()),
    listen(store, store.names.cancelChannel, onCancel, () => void passCancelsOn(options)),
  ]);
}

async function passCancelsOn({ store, holder, servers, onError }: ServicesOptions): Promise<void> {
  try {
    const served = servers();
    const cancels = await readCancels(
      store,
      holder,
      served.map((each) => each.server),
    );
    for (const { attempts } of served) attempts.cancels.passOn(cancels);
    // Of a held row that is deleted the holder is told on the same channel.
    for (const { attempts } of served) void attempts.stopDeleted();
  } catch (error) {
    // The next beat brings them.
    onError(error);
  }
}
