/**
 * The daemon: incarnations one after another until it is stopped.
 *
 *   start() ─► first incarnation READY, or the error that keeps it from starting; a server elsewhere is waited for
 *   later:     an incarnation that breaks is followed by the next, with backoff, whatever is away for however long
 *   failed     it gave up: its sidecar dies again and again, or the server elsewhere refuses it for good
 */
import { hostname } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { RayferryError, SidecarError } from "../errors.ts";
import { createLogger, type Logger } from "../logger.ts";
import { connect, type Store } from "../store/connection.ts";
import { checkMigrated } from "../store/migrate.ts";
import { BEAT_LIMITS } from "./beater.ts";
import { clearFolder, openFolder, removeFolder } from "./folder.ts";
import { Incarnation, type Ready } from "./incarnation.ts";
import { LOCK_FILE, type Lock, takeLock } from "./lock.ts";
import { checkWorkerOptions, type WorkerOptions, type WorkerSettings } from "./options.ts";
import { isHopeless } from "./patience.ts";
import { Restarts } from "./restarts.ts";
import { StallWatch } from "./stall-watch.ts";
import { Sweeper } from "./sweeper.ts";
import { takeOverName } from "./take-over.ts";
import { withinTime } from "./within-time.ts";

/** Milliseconds for the last sweep to end. */
const SWEEP_ENDS = 2_000;

export class Worker {
  readonly settings: WorkerSettings;
  readonly #logger: Logger;
  readonly #store: Store;
  readonly #beatStore: Store;
  readonly #sweeper: Sweeper;
  readonly #stopAsked = new AbortController();
  #stallWatch: StallWatch | null = null;
  #folder = "";
  #lock: Lock | null = null;
  #incarnation: Incarnation | null = null;
  #starting: Incarnation | null = null;
  #supervision: Promise<void> = Promise.resolve();
  #changing: Promise<void> = Promise.resolve();
  #restarting: Promise<void> | null = null;
  #restartFor: string | null = null;
  #stopped: Promise<void> | null = null;
  #onReady: (ready: Ready) => void = () => {};
  readonly #restarts: Restarts;
  readonly #failed = Promise.withResolvers<RayferryError>();
  #hasFailed = false;
  /** For as long as this process lives. */
  #drainRequested = false;

  /** @throws ConfigurationError */
  constructor(options: WorkerOptions) {
    this.settings = checkWorkerOptions(options);
    this.#logger = options.logger ?? createLogger();
    this.#restarts = new Restarts(this.settings.rayAddress);
    const { databaseUrl, listenUrl, schema, name } = this.settings;
    const common = {
      databaseUrl,
      applicationName: `rayferry worker ${name}`,
      ...(listenUrl === null ? {} : { listenUrl }),
      ...(schema === null ? {} : { schema }),
    };
    this.#store = connect({ ...common, max: 6 });
    this.#beatStore = connect({ ...common, ...BEAT_LIMITS });
    this.#sweeper = new Sweeper({
      store: this.#store,
      // Between two incarnations nobody tells who leads: deadlines and dead servers don't wait until a Ray is there again.
      leads: () => this.#current?.leads ?? true,
      logger: this.#logger,
      onTrouble: (sentence) => this.#current?.report(sentence),
      onError: (error) => this.#current?.reportTrouble(error),
    });
  }

  /** READY, or on its way there; null between two. */
  get #current(): Incarnation | null {
    return this.#incarnation ?? this.#starting;
  }

  /** Resolves with why, when it gave up: nothing goes on then, and `stop` lets go of the rest. */
  get failed(): Promise<RayferryError> {
    return this.#failed.promise;
  }

  /**
   * Starts the sidecar and begins to claim. `onReady` is called for each incarnation that got so far.
   *
   * @throws DatabaseError, WorkerNameTakenError, SidecarError, BridgeRefusedError: with nothing left running.
   */
  async start(onReady: (ready: Ready) => void = () => {}): Promise<Ready> {
    this.#onReady = onReady;
    try {
      const newer = await checkMigrated(this.#store);
      if (newer > 0)
        this.#logger.info(
          { migrations: newer },
          "a newer version of rayferry has migrated the database, in a way that this one can work with",
        );
      this.#sweeper.start();
      this.#stallWatch = new StallWatch({
        logger: this.#logger,
        onStall: (milliseconds) => this.#current?.stoodStill(milliseconds) ?? "",
      });
      const { name } = this.settings;
      this.#folder = openFolder(name, `${this.#store.where}/${this.#store.names.schema}`);
      this.#lock = await takeLock(this.#folder, name);
      clearFolder(this.#folder, [LOCK_FILE]);
      await takeOverName(this.#store, name, this.#lock.wasLeft ? hostname() : null);
      const ready = this.settings.server === null ? await this.#begin() : await this.#beginPatiently();
      await this.#refuseWithoutTasks(ready);
      this.#supervision = this.#supervise();
      return ready;
    } catch (error) {
      await this.#release();
      throw error;
    }
  }

  /** Stops: running work gets `grace` seconds (default: the option's), then is stopped and requeued. Again: at once. */
  stop(grace = this.settings.grace): Promise<void> {
    this.#stopped ??= this.#stop(grace);
    return this.#stopped;
  }

  /**
   * A new sidecar with the task modules as they are now; running work is stopped and requeued. Asked for again meanwhile, it is done again: the
   * sidecar that is starting may have read the modules already.
   */
  restart(reason: string): Promise<void> {
    this.#restartFor = reason;
    this.#restarts.forget();
    this.#restarting ??= this.#restart().finally(() => {
      this.#restarting = null;
    });
    return this.#restarting;
  }

  async #stop(grace: number): Promise<void> {
    this.#stopAsked.abort();
    // Ray takes seconds to start; who stops now doesn't wait for it.
    await this.#starting?.abandon("the worker stops");
    await this.#changing;
    await this.#incarnation?.stop(grace);
    await this.#supervision;
    await this.#release();
  }

  /** A server that somebody else starts may be away yet. @throws RayferryError when it never will have this worker. */
  async #beginPatiently(): Promise<Ready> {
    const ready = await this.#beginAgain(0);
    if (ready !== null) return ready;
    if (this.#hasFailed) throw await this.#failed.promise;
    throw new SidecarError("STOPPED", "The worker was stopped while it started.");
  }

  async #begin(): Promise<Ready> {
    const incarnation = new Incarnation({
      settings: this.settings,
      store: this.#store,
      beatStore: this.#beatStore,
      sweeper: this.#sweeper,
      folder: this.#folder,
      drainRequested: this.#drainRequested,
      onDrainRequested: () => {
        this.#drainRequested = true;
      },
      logger: this.#logger,
    });
    this.#starting = incarnation;
    const ready = await incarnation.start().finally(() => {
      this.#starting = null;
      this.#sweeper.takeOver();
    });
    this.#incarnation = incarnation;
    this.#warnOfTooLarge(ready);
    this.#onReady(ready);
    return ready;
  }

  /** Ray keeps such a task pending without a word, for a larger node might join. */
  #warnOfTooLarge({ welcome, registry }: Ready): void {
    const cpus = welcome.cluster?.cpus;
    for (const task of registry.tasks) {
      if (cpus === undefined || task.num_cpus <= cpus) continue;
      this.#logger.warn(
        { task: task.name },
        `${task.name} asks for ${task.num_cpus} CPUs and this Ray has ${cpus}: it waits until a node that large joins.`,
      );
    }
  }

  async #restart(): Promise<void> {
    while (this.#restartFor !== null && !this.#stopAsked.signal.aborted) {
      const reason = this.#restartFor;
      this.#restartFor = null;
      this.#logger.info({ reason }, "restarting the sidecar");
      await this.#replace((old) => old.stop(0), 0);
    }
  }

  /** @throws SidecarError when there is nothing that this worker could run. */
  async #refuseWithoutTasks({ registry }: Ready): Promise<void> {
    if (registry.tasks.length > 0 || this.settings.allowNoTasks) return;
    await this.#incarnation?.stop(0);
    const reasons = registry.failures.map((failure) => failure.message).join(" ");
    throw new SidecarError("NO_TASKS", `There is no task to run. ${reasons}`);
  }

  /** Waits for the incarnation to break, and starts the next. */
  async #supervise(): Promise<void> {
    while (!this.#stopAsked.signal.aborted && !this.#hasFailed) {
      const current = this.#incarnation;
      if (current === null) {
        await this.#changing;
        continue;
      }
      const error = await Promise.race([current.lost, this.#untilStop()]);
      if (error === null || this.#incarnation !== current) continue;
      const reason = error instanceof SidecarError ? error.reason : error.code;
      this.#logger.error({ reason }, `${error.message} Starting again.`);
      const wait = await this.#waitAfter(error, current.begunAt);
      await this.#replace((old) => (old === current ? old.abandon(error.message) : null), wait);
    }
  }

  /**
   * One incarnation at a time: a file that changes and a sidecar that dies may ask for the next one at once. `end` says null to leave it alone; `wait`
   * is null where none shall follow.
   */
  #replace(end: (old: Incarnation) => Promise<void> | null, wait: number | null): Promise<void> {
    this.#changing = this.#changing.then(async () => {
      const ending = this.#incarnation === null ? Promise.resolve() : end(this.#incarnation);
      if (ending === null) return;
      this.#incarnation = null;
      this.#sweeper.takeOver();
      await ending;
      await this.#beginAgain(wait);
    });
    return this.#changing;
  }

  /** Milliseconds to the next incarnation, after one that ended or couldn't start; null: the worker has failed. */
  async #waitAfter(error: unknown, begunAt: number): Promise<number | null> {
    try {
      if (isHopeless(error)) throw error;
      return await this.#restarts.after(error, performance.now() - begunAt);
    } catch (failure) {
      this.#hasFailed = true;
      this.#failed.resolve(failure as RayferryError);
      return null;
    }
  }

  /** Until one stands; null when the worker is stopped or has failed. */
  async #beginAgain(wait: number | null): Promise<Ready | null> {
    let milliseconds = wait;
    while (milliseconds !== null) {
      await sleep(milliseconds * (0.5 + Math.random() / 2), null, { signal: this.#stopAsked.signal }).catch(() => {});
      if (this.#stopAsked.signal.aborted) return null;
      const begunAt = performance.now();
      try {
        return await this.#begin();
      } catch (error) {
        milliseconds = await this.#waitAfter(error, begunAt);
        if (milliseconds === null || this.#stopAsked.signal.aborted) return null;
        const again = milliseconds === 0 ? "at once" : `in ${milliseconds / 1000} s`;
        const message = error instanceof Error ? error.message : String(error);
        this.#logger.error({ again, ...(error instanceof RayferryError ? { code: error.code } : {}) }, message);
      }
    }
    return null;
  }

  #untilStop(): Promise<null> {
    const { signal } = this.#stopAsked;
    return new Promise((resolve) => {
      if (signal.aborted) resolve(null);
      else signal.addEventListener("abort", () => resolve(null), { once: true });
    });
  }

  async #release(): Promise<void> {
    await this.#stallWatch?.stop();
    this.#stallWatch = null;
    if (this.#lock !== null) clearFolder(this.#folder, [LOCK_FILE]);
    await this.#lock?.release();
    if (this.#lock !== null) removeFolder(this.#folder);
    this.#lock = null;
    // A database that doesn't answer keeps nobody from leaving.
    await withinTime(this.#sweeper.stop(), SWEEP_ENDS);
    await Promise.all([this.#store.close(), this.#beatStore.close()]);
  }
}
