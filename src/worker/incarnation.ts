/**
 * One run of the worker with one server, from its lease to its end. A sidecar that dies, a bridge that breaks and a lease that runs out all end
 * the incarnation; the worker then starts another. What this one still held is adopted by the next, where its server lives on, or requeued by whoever
 * sweeps, once the server is known to be gone.
 *
 *   start: lease ─► server ─► hello/welcome ─► tasks and server written ─► READY ─► adopts what dead incarnations left ─► claiming
 *   stop:  DRAINING ─► no more claims ─► what runs goes on at a server that outlives us, else gets its grace and is requeued ─► sidecar ended ─► STOPPED
 */
import { uuidv7 } from "uuidv7";
import type { DatabaseIdentity, ServerMessage, Welcome } from "../../bridge/src/index.ts";
import { type RayferryError, SidecarError } from "../errors.ts";
import type { Logger } from "../logger.ts";
import { adopt, requeueMissing } from "../store/adopt.ts";
import type { BeatReport } from "../store/beat.ts";
import type { Store } from "../store/connection.ts";
import { define } from "../store/definitions.ts";
import { endServer, openServer } from "../store/server.ts";
import { readDatabaseIdentity } from "../store/system.ts";
import { Adopter } from "./adopter.ts";
import { Draining } from "./draining.ts";
import { serverRow } from "./identity.ts";
import type { WorkerSettings } from "./options.ts";
import { END_WITHIN, OwnLease } from "./own-lease.ts";
import { type ReachedServer, reachServer } from "./reach-server.ts";
import { Served } from "./served.ts";
import { ServerAttempts } from "./server-attempts.ts";
import type { OpenedServer, ServerLink } from "./server-link.ts";
import { type Services, startServices } from "./services.ts";
import { leaveWork, stopWork } from "./stop-work.ts";
import type { Sweeper } from "./sweeper.ts";
import { withinTime } from "./within-time.ts";

export interface IncarnationOptions {
  readonly settings: WorkerSettings;
  readonly store: Store;
  /** Connections for the beat alone: it waits for no other statement, and fails in time to be tried again. */
  readonly beatStore: Store;
  /** The process's own. */
  readonly sweeper: Sweeper;
  readonly folder: string;
  /** Whoever had the worker's process before was asked to drain. */
  readonly drainRequested: boolean;
  /** It was asked to drain. */
  readonly onDrainRequested: () => void;
  readonly logger: Logger;
}

/** What a started incarnation tells. */
export interface Ready {
  readonly slots: number;
  readonly welcome: Welcome["welcome"];
  readonly registry: Welcome["registry"];
  /** Null with a server that somebody else started. */
  readonly sidecarPid: number | null;
}

export class Incarnation {
  readonly id = uuidv7();
  /** By `performance.now()`. */
  readonly begunAt = performance.now();
  readonly #options: IncarnationOptions;
  readonly #lease: OwnLease;
  readonly #draining: Draining;
  #link: ServerLink | null = null;
  #served: Served | null = null;
  #services: Services | null = null;
  #adopter: Adopter | null = null;
  #stopping = false;
  #ending: Promise<void> = Promise.resolve();
  /** Dead incarnations whose sessions ended with our hello. */
  #replaced: readonly string[] = [];

  constructor(options: IncarnationOptions) {
    this.#options = options;
    this.#draining = new Draining({
      services: () => this.#services,
      servers: () => this.#servers(),
      logger: options.logger,
    });
    this.#lease = new OwnLease({
      ...options,
      id: this.id,
      own: () => this.#served,
      servers: () => this.#servers(),
      onRenewed: (report, takesLead) => this.#renewed(report, takesLead),
    });
  }

  /** It sweeps and prunes for all, as the last beat told. */
  get leads(): boolean {
    return this.#lease.leads;
  }

  /** Resolves with why, when it can't go on though nobody stopped it. */
  get lost(): Promise<RayferryError> {
    return this.#lease.lost;
  }

  /** A trouble that isn't the database's doing: the lease tells it. */
  report(sentence: string): void {
    this.#lease.said.report(sentence);
  }

  /** A statement failed; said once. */
  reportTrouble(error: unknown): void {
    this.#lease.reportTrouble(error);
  }

  /** Whether what this incarnation held is still its own, in a clause. */
  stoodStill(milliseconds: number): string {
    return this.#lease.stoodStill(milliseconds);
  }

  /** @throws SidecarError, BridgeError, DatabaseError; nothing of it is left then. */
  async start(): Promise<Ready> {
    const { settings, store } = this.#options;
    await this.#lease.open();
    try {
      this.#checkGoing();
      const database = await readDatabaseIdentity(store);
      const { link, opened } = await this.#reach(database);
      const slots = settings.concurrency ?? Math.max(1, Math.floor(opened.welcome.cluster?.cpus ?? 1));
      this.#served = await this.#register(link, opened, slots);
      const { said } = this.#lease;
      said.slots = slots;
      said.sidecarPid = opened.place.sidecarPid;
      said.forgetTrouble();
      this.#lease.wake();
      this.#checkGoing();
      await this.#takeOver(this.#served, opened);
      this.#services = await this.#startServices(link, this.#served, slots, opened);
      this.#adopter = this.#startAdopter(link, this.#served, database, opened);
      this.#checkGoing();
      return { slots, welcome: opened.welcome, registry: opened.registry, sidecarPid: opened.place.sidecarPid };
    } catch (error) {
      await this.abandon(error instanceof Error ? error.message : String(error));
      throw error;
    }
  }

  /**
   * With a server that outlives us: hands back what hasn't started and leaves the rest running, at once or after `grace` seconds. Else lets running work
   * end within them, and stops and requeues the rest. Then ends the sidecar and closes the lease.
   */
  async stop(grace: number): Promise<void> {
    this.#stopping = true;
    this.#lease.expectEnd();
    const { store, logger } = this.#options;
    await this.#lease.drain();
    await this.#services?.stopClaiming();
    const held = this.#served?.attempts.held;
    const link = this.#link;
    if (link !== null && held !== undefined) {
      const { workAtStop } = link;
      if (workAtStop === "END") await stopWork({ link, held, store, holder: this.id, grace, logger });
      else await leaveWork({ link, held, grace: workAtStop === "WAIT" ? grace : 0, logger });
    }
    await this.#end(null);
  }

  /** The end of one that is broken, or that is stopped while it starts: nothing is waited for long. */
  async abandon(reason: string): Promise<void> {
    this.#stopping = true;
    this.#lease.expectEnd();
    await this.#end(reason);
  }

  #servers(): readonly Served[] {
    return [...(this.#served === null ? [] : [this.#served]), ...(this.#adopter?.served() ?? [])];
  }

  /** A stop may come between any two steps of the start: what the steps before have begun is then ended by `start` itself. */
  #checkGoing(): void {
    if (this.#lease.lostFor !== null) throw this.#lease.lostFor;
    if (this.#stopping) throw new SidecarError("STOPPED", "The worker was stopped while it started.");
  }

  async #reach(database: DatabaseIdentity | null): Promise<ReachedServer> {
    const reached = await reachServer({
      ...this.#options,
      id: this.id,
      database,
      lease: this.#lease,
      held: () => this.#served?.attempts.held.size ?? 0,
      checkGoing: () => this.#checkGoing(),
      onLink: (link) => {
        this.#link = link;
      },
      onMessage: (message) => this.#take(message),
    });
    this.#replaced = reached.replaced;
    return reached;
  }

  /** Writes down the tasks and the server: from here on this incarnation may claim. */
  async #register(link: ServerLink, opened: OpenedServer, slots: number): Promise<Served> {
    const { store, settings, logger } = this.#options;
    const { welcome, registry } = opened;
    await define(store, registry.tasks);
    this.#checkGoing();
    const server = await openServer(
      store,
      serverRow(this.id, settings.name, opened),
      slots,
      registry.tasks.map((task) => task.name),
    );
    const attempts = new ServerAttempts({
      store,
      holder: this.id,
      server,
      send: (message) => link.send(message),
      inventory: () => link.inventory(),
      hold: (isHeld) => link.hold(isHeld),
      graceSeconds: settings.cancelGrace,
      logger,
      onRoom: () => this.#services?.wakeClaimer(),
      onError: (error) => this.reportTrouble(error),
    });
    attempts.start();
    return new Served(attempts, welcome, (message) => link.send(message));
  }

  /** What earlier incarnations left at this very server. */
  async #takeOver(served: Served, { inventory, place }: OpenedServer): Promise<void> {
    if (place.workAtStop === "END" && inventory.length === 0) return;
    const { store, settings, logger } = this.#options;
    const rows = await adopt(store, { holder: this.id, worker: settings.name, server: served.server, inventory });
    served.attempts.adopt(rows, inventory);
    // What somebody has locked is left to the adopter, which looks each 2 s.
    const { requeued } = await requeueMissing(store, served.server, this.#replaced, inventory);
    const adopted = rows.filter(({ verdict }) => verdict === "ADOPTED").length;
    if (adopted > 0 || requeued.length > 0)
      logger.info({ adopted, requeued: requeued.length }, "adopted what the last incarnation left");
  }

  #startServices(link: ServerLink, own: Served, slots: number, opened: OpenedServer): Promise<Services> {
    const { store, settings, logger } = this.#options;
    return startServices({
      store,
      holder: this.id,
      settings,
      slots,
      tasks: opened.registry.tasks.map((task) => task.name),
      own,
      sweeper: this.#options.sweeper,
      leads: () => this.leads,
      mayAct: () => this.#lease.mayAct(),
      send: (message) => link.send(message),
      servers: () => this.#servers(),
      logger,
      onTrouble: (sentence) => this.report(sentence),
      onError: (error) => this.reportTrouble(error),
    });
  }

  #startAdopter(
    link: ServerLink,
    own: Served,
    database: DatabaseIdentity | null,
    { place, welcome }: OpenedServer,
  ): Adopter {
    const { store, settings, logger } = this.#options;
    const adopter = new Adopter({
      store,
      holder: this.id,
      worker: settings.name,
      database,
      own,
      ownActor: place.actor?.name ?? null,
      rayAddress: welcome.cluster?.address ?? null,
      ownInventory: () => link.inventory(),
      findWay: (orphan) => link.host.findWay(orphan),
      graceSeconds: settings.cancelGrace,
      logger,
      onError: (error) => this.reportTrouble(error),
    });
    adopter.start();
    return adopter;
  }

  #renewed({ drainRequested, hasOtherServers }: BeatReport, takesLead: boolean): void {
    const { onDrainRequested, sweeper } = this.#options;
    if (takesLead) {
      sweeper.takeOver();
      this.#services?.takeLead();
    }
    if (drainRequested && !this.#stopping) {
      onDrainRequested();
      void this.#draining.request();
    }
    // Others take what is left; what one that drains would take, it would have to hand on.
    this.#adopter?.setNeeded(hasOtherServers && !drainRequested);
  }

  #take(message: ServerMessage): void {
    const wasFull = this.#served?.accepting === false;
    this.#served?.take(message);
    if (wasFull && this.#served?.accepting === true) this.#services?.wakeClaimer();
  }

  /** Every step may be done twice: what came up after the first time is ended by the second. */
  #end(reason: string | null): Promise<void> {
    this.#ending = this.#ending.then(() => this.#endAll(reason));
    return this.#ending;
  }

  async #endAll(reason: string | null): Promise<void> {
    // With a database that doesn't answer, a statement under way would hold all of this up.
    await withinTime(this.#services?.stop(), END_WITHIN);
    await withinTime(this.#adopter?.stop(), END_WITHIN);
    await withinTime(this.#served?.attempts.stop(), END_WITHIN);
    await this.#link?.stop(reason ?? "the worker stops");
    await this.#lease.stopBeating();
    await this.#lease.lastWord(this.#noteDeadServer());
    await this.#lease.close(reason);
  }

  /** A server that would have outlived us is known to be dead where its sidecar saw it die. */
  async #noteDeadServer(): Promise<void> {
    if (this.#served !== null && (await this.#link?.host.isServerDead()) === true)
      await endServer(this.#options.store, this.#served.server);
  }
}
