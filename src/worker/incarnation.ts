/**
 * One run of the worker with one sidecar, from its lease to its end. A sidecar that dies, a bridge that breaks and a lease that runs out all end
 * the incarnation; the worker then starts another. What this one still held is requeued by whoever sweeps, once its server is known to be gone.
 *
 *   start: lease ─► sidecar ─► hello/welcome ─► tasks and server written ─► READY ─► claiming
 *   stop:  DRAINING ─► no more claims ─► running work gets its grace ─► stopped and requeued ─► sidecar ended ─► STOPPED
 */
import { hostname } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { uuidv7 } from "uuidv7";
import type { ServerMessage, Welcome } from "../../bridge/src/index.ts";
import { type RayferryError, SidecarError } from "../errors.ts";
import type { Logger } from "../logger.ts";
import { VERSION } from "../package.ts";
import type { Store } from "../store/connection.ts";
import { define } from "../store/definitions.ts";
import { closeLease, drainLease, openLease, openServer } from "../store/lease.ts";
import { release } from "../store/release.ts";
import { type LostAttempt, requeue } from "../store/requeue.ts";
import { readDatabaseIdentity } from "../store/system.ts";
import { Beater } from "./beater.ts";
import { CancelRelay } from "./cancel-relay.ts";
import { UNKNOWN_TASK_DELAY } from "./claimer.ts";
import { HeldAttempts } from "./held.ts";
import type { WorkerSettings } from "./options.ts";
import { Reconciler } from "./reconciler.ts";
import { ServerLink } from "./server-link.ts";
import { type Services, startServices } from "./services.ts";

/** Milliseconds for killed attempts to report, before they are requeued without. */
const KILL_REPORT = 6_000;
/** Milliseconds that an end waits for statements under way. */
const END_WITHIN = 8_000;
/** Seconds from the end of a driver to the end of its last task: Ray takes up to 3. */
const STOPPED_AFTER = 5;

export interface IncarnationOptions {
  readonly settings: WorkerSettings;
  readonly store: Store;
  readonly folder: string;
  readonly logger: Logger;
}

/** What a started incarnation tells. */
export interface Ready {
  readonly slots: number;
  readonly welcome: Welcome["welcome"];
  readonly registry: Welcome["registry"];
  readonly sidecarPid: number;
}

export class Incarnation {
  readonly id = uuidv7();
  readonly #options: IncarnationOptions;
  readonly #serverId = uuidv7();
  readonly #held = new HeldAttempts();
  readonly #beater: Beater;
  readonly #cancels: CancelRelay;
  readonly #lost = Promise.withResolvers<RayferryError>();
  #link: ServerLink | null = null;
  #services: Services | null = null;
  #tick: number | null = null;
  #stopping = false;
  #ending: Promise<void> = Promise.resolve();
  #databaseTroubles = 0;

  constructor(options: IncarnationOptions) {
    this.#options = options;
    this.#cancels = new CancelRelay({
      store: options.store,
      holder: this.id,
      held: this.#held,
      send: (message) => this.#link?.send(message),
      graceSeconds: options.settings.cancelGrace,
      onError: (error) => this.#reportTrouble(error),
    });
    const reconciler = new Reconciler({
      store: options.store,
      holder: this.id,
      held: this.#held,
      logger: options.logger,
      onError: (error) => this.#reportTrouble(error),
    });
    this.#beater = new Beater({
      store: options.store,
      holder: this.id,
      running: () => this.#held.size,
      tick: () => (this.#tick === null ? null : { server: this.#serverId, tick: this.#tick }),
      onRenewed: (tick) => {
        this.#databaseTroubles = 0;
        if (tick !== null) this.#link?.send({ type: "authority", tick });
      },
      onCancels: (cancels) => this.#cancels.passOn(cancels),
      onHeld: (rows) => void reconciler.compare(rows),
      onLeaseLost: () =>
        this.#lost.resolve(new SidecarError("LEASE_LOST", "The lease ran out: Postgres couldn't be reached in time.")),
      onError: (error) => this.#reportTrouble(error),
    });
  }

  /** Resolves with why, when it can't go on though nobody stopped it. */
  get lost(): Promise<RayferryError> {
    return this.#lost.promise;
  }

  /** @throws SidecarError, BridgeError, DatabaseError; nothing of it is left then. */
  async start(): Promise<Ready> {
    const { settings, store } = this.#options;
    await openLease(store, {
      id: this.id,
      name: settings.name,
      host: hostname(),
      pid: process.pid,
      version: VERSION,
      queues: settings.queues,
    });
    try {
      this.#checkGoing();
      this.#beater.start();
      this.#link = await this.#openLink();
      this.#checkGoing();
      const { welcome, registry, sidecarPid } = await this.#link.open();
      this.#tick = welcome.tick;
      const slots = settings.concurrency ?? Math.max(1, Math.floor(welcome.cluster?.cpus ?? 1));
      await define(store, registry.tasks);
      this.#checkGoing();
      await openServer(
        store,
        this.#serverRow(this.#link.endpoint, welcome),
        slots,
        registry.tasks.map((task) => task.name),
      );
      this.#services = await this.#startServices(this.#link, slots, registry);
      this.#checkGoing();
      return { slots, welcome, registry, sidecarPid };
    } catch (error) {
      await this.abandon(error instanceof Error ? error.message : String(error));
      throw error;
    }
  }

  /** Lets running work end within `grace` seconds, stops and requeues the rest, ends the sidecar, closes the lease. */
  async stop(grace: number): Promise<void> {
    this.#stopping = true;
    const { store, logger } = this.#options;
    await drainLease(store, this.id).catch((error: unknown) => this.#reportTrouble(error));
    await this.#services?.stopClaiming();
    if (this.#held.size > 0) logger.info({ running: this.#held.size, grace }, "waiting for running work");
    if (!(await this.#held.emptyWithin(grace * 1000))) await this.#stopWork();
    await this.#end(null);
  }

  /** The end of one that is broken, or that is stopped while it starts: nothing is waited for long. */
  async abandon(reason: string): Promise<void> {
    this.#stopping = true;
    await this.#end(reason);
  }

  /** A stop may come between any two steps of the start: what the steps before have begun is then ended by `start` itself. */
  #checkGoing(): void {
    if (this.#stopping) throw new SidecarError("STOPPED", "The worker was stopped while it started.");
  }

  async #openLink(): Promise<ServerLink> {
    const { settings, store, folder, logger } = this.#options;
    return new ServerLink({
      settings,
      folder,
      incarnation: this.id,
      database: await readDatabaseIdentity(store),
      logger,
      onMessage: (message) => this.#take(message),
      onLost: (error) => this.#lost.resolve(error),
    });
  }

  #serverRow(endpoint: string, welcome: Welcome["welcome"]) {
    const { cluster } = welcome;
    return {
      id: this.#serverId,
      holder: this.id,
      epoch: welcome.epoch,
      endpoint,
      build: welcome.build,
      pid: welcome.pid,
      rayAddress: cluster?.address ?? null,
      rayVersion: cluster?.ray ?? null,
      nodes: cluster?.nodes ?? null,
      cpus: cluster?.cpus ?? null,
      gpus: cluster?.gpus ?? null,
    };
  }

  #startServices(link: ServerLink, slots: number, registry: Welcome["registry"]): Promise<Services> {
    const { store, settings, logger } = this.#options;
    return startServices({
      store,
      session: link,
      held: this.#held,
      cancels: this.#cancels,
      holder: this.id,
      server: this.#serverId,
      settings,
      slots,
      tasks: registry.tasks.map((task) => task.name),
      logger,
      onError: (error) => this.#reportTrouble(error),
    });
  }

  #take(message: ServerMessage): void {
    switch (message.type) {
      case "result":
        this.#services?.record(message);
        return;
      case "heartbeat":
        this.#tick = message.tick;
        return;
      case "rejected":
        void this.#handBack(message);
        return;
      default:
    }
  }

  /** The server won't run it: back it goes without having used a try. */
  async #handBack(message: Extract<ServerMessage, { type: "rejected" }>): Promise<void> {
    const held = this.#held.find(message.execution, message.fence);
    if (held === null) return;
    this.#held.drop(held.id, held.fence);
    const unknownTask = message.code === "UNKNOWN_TASK";
    const delaySeconds = unknownTask ? UNKNOWN_TASK_DELAY : 1;
    try {
      await release(this.#options.store, this.id, [
        { id: held.id, fence: held.fence, reason: message.message, delaySeconds, unknownTask },
      ]);
    } catch (error) {
      // Its row still names this incarnation: the reconciler finds it.
      this.#reportTrouble(error);
    }
  }

  /** Kills what runs, and requeues it on the infrastructure's budget. */
  async #stopWork(): Promise<void> {
    const { store, logger } = this.#options;
    for (const { id, fence } of this.#held.all())
      this.#link?.send({ type: "cancel", execution: id, fence, grace_seconds: 0 });
    if (await this.#held.emptyWithin(KILL_REPORT)) return;
    // Silent ones: only when the sidecar and its Ray are gone are they known to have stopped.
    await this.#link?.stop("the worker stops");
    const lost: LostAttempt[] = this.#held.all().map(({ id, fence }) => ({
      id,
      fence,
      error: {
        code: "ServerStopped",
        type: "ServerStopped",
        bases: [],
        message: "its worker stopped",
        traceback: null,
      },
    }));
    const rows = await requeue(store, this.id, lost, STOPPED_AFTER).catch((error: unknown) => {
      this.#reportTrouble(error);
      return [];
    });
    logger.warn({ executions: rows.length }, "requeued what was still running");
  }

  /** Every step may be done twice: what came up after the first time is ended by the second. */
  #end(reason: string | null): Promise<void> {
    this.#ending = this.#ending.then(() => this.#endAll(reason));
    return this.#ending;
  }

  async #endAll(reason: string | null): Promise<void> {
    const { store } = this.#options;
    // With a database that doesn't answer, a statement under way would hold all of this up.
    await withinTime(this.#services?.stop(), END_WITHIN);
    await this.#link?.stop(reason ?? "the worker stops");
    await withinTime(this.#beater.stop(), END_WITHIN);
    await closeLease(store, this.id, reason).catch((error: unknown) => this.#reportTrouble(error));
  }

  /** Said once, until the database answers again. */
  #reportTrouble(error: unknown): void {
    this.#databaseTroubles += 1;
    const message = error instanceof Error ? error.message : String(error);
    const { logger } = this.#options;
    if (this.#databaseTroubles === 1 && !this.#stopping)
      logger.error({ error: message }, "a statement failed; it is tried again");
    else logger.debug({ error: message }, "a statement failed");
  }
}

async function withinTime(promise: Promise<void> | undefined, milliseconds: number): Promise<void> {
  if (promise === undefined) return;
  const timer = new AbortController();
  await Promise.race([promise, sleep(milliseconds, undefined, { signal: timer.signal }).catch(() => {})]);
  timer.abort();
}
