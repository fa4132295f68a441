/**
 * A server that outlived its worker, and the end of its work: a session of role `drain` adopts what dead incarnations held there, records it as it
 * ends, and retires the server when nobody will submit to it again.
 *
 *   open: hello (their sessions end) ─► inventory ─► adopt, discard, requeue what it never had
 *   then: results are recorded ─► nothing is held any more ─► retire or close
 */
import { BridgeSession, type DatabaseIdentity, type Welcome } from "../../bridge/src/index.ts";
import { type BridgeError, SidecarError } from "../errors.ts";
import type { Logger } from "../logger.ts";
import { VERSION } from "../package.ts";
import { adopt, requeueMissing } from "../store/adopt.ts";
import type { Store } from "../store/connection.ts";
import { readHeld } from "../store/lease.ts";
import { type RequeuedRow, requeue } from "../store/requeue.ts";
import type { OrphanedServer } from "../store/server.ts";
import { Served } from "./served.ts";
import { ServerAttempts } from "./server-attempts.ts";
import type { ServerWay } from "./sidecar.ts";

/** Milliseconds for the server's welcome and inventory. */
const OPEN_TIMEOUT = 5_000;

export interface DrainOptions {
  readonly store: Store;
  readonly holder: string;
  readonly worker: string;
  readonly orphan: OrphanedServer;
  readonly way: ServerWay;
  readonly database: DatabaseIdentity | null;
  /** Nobody will submit to it again: it is to end once it is empty. */
  readonly retire: boolean;
  readonly graceSeconds: number;
  readonly logger: Logger;
  readonly onError: (error: unknown) => void;
}

export class Drain {
  readonly #options: DrainOptions;
  readonly #attempts: ServerAttempts;
  readonly #session: BridgeSession;
  readonly #over = Promise.withResolvers<BridgeError | null>();
  #served: Served | null = null;
  #tookOver = false;
  #adopted = 0;
  /** Of the inventory, what somebody has locked or a live holder has; null when there is nothing to come again for. */
  #left: Welcome["inventory"] | null = null;

  constructor(options: DrainOptions) {
    this.#options = options;
    const { store, holder, worker, orphan, way, database, logger, onError } = options;
    this.#session = new BridgeSession({
      ...way,
      build: VERSION,
      worker,
      incarnation: holder,
      role: "drain",
      replaces: orphan.deadHolders,
      database,
      openTimeout: OPEN_TIMEOUT,
      held: () => this.#attempts.held.size,
      onMessage: (message) => {
        this.#served?.take(message);
        this.#look();
      },
      onLost: (error) => this.#over.resolve(error),
    });
    this.#attempts = new ServerAttempts({
      store,
      holder,
      server: orphan.id,
      send: (message) => this.#session.send(message),
      inventory: () => this.#session.inventory(),
      hold: (isHeld) => this.#session.hold(isHeld),
      graceSeconds: options.graceSeconds,
      logger,
      onRoom: () => this.#look(),
      onError,
    });
  }

  /** Whether the sessions of these were ended there before its inventory was read. */
  covers(holders: readonly string[]): boolean {
    const { deadHolders } = this.#options.orphan;
    return holders.every((each) => deadHolders.includes(each));
  }

  get served(): Served | null {
    return this.#served;
  }

  /** Executions that it took over. */
  get adopted(): number {
    return this.#adopted;
  }

  /** Resolves when nothing is held there any more (null), or with why the session was lost. */
  get over(): Promise<BridgeError | null> {
    return this.#over.promise;
  }

  /** @throws BridgeError when the server can't be reached, or is another than the one that was meant. */
  async open(): Promise<void> {
    const { logger, orphan, retire } = this.#options;
    const { welcome, inventory } = await this.#session.open();
    if (welcome.epoch !== orphan.epoch)
      throw new SidecarError("WRONG_SERVER", "Another server answers in its place: the one that was meant is gone.");
    this.#served = new Served(this.#attempts, welcome, (message) => this.#session.send(message));
    this.#attempts.start();
    const requeued = (await this.#takeOver(inventory)) + (await this.#requeueLost(inventory)).length;
    logger.info(
      { server: orphan.id, of: orphan.worker, adopted: this.#adopted, requeued },
      "adopted what a dead worker left",
    );
    if (retire) this.#session.send({ type: "retire", reason: `its worker's code is replaced, or its worker is gone` });
    this.#tookOver = true;
    this.#look();
  }

  /** Ends the session; the server goes on, and what it holds is adopted again by somebody. */
  async close(reason: string): Promise<void> {
    await this.#attempts.stop();
    await this.#session.close(reason, false);
    this.#over.resolve(null);
  }

  /** Once more what somebody had locked. */
  async takeOverLeft(): Promise<void> {
    if (!this.#tookOver || this.#left === null) return;
    await this.#takeOver(this.#left);
    this.#look();
  }

  /** Adopts of this what dead incarnations held, and requeues what the server never had of theirs; answers how many were requeued. */
  async #takeOver(inventory: Welcome["inventory"]): Promise<number> {
    const { store, holder, worker, orphan } = this.#options;
    const rows = await adopt(store, { holder, worker, server: orphan.id, inventory });
    this.#attempts.adopt(rows, inventory);
    const { requeued, left } = await requeueMissing(store, orphan.id, orphan.deadHolders, inventory);
    const elsewhere = new Set(rows.filter(({ verdict }) => verdict === "ELSEWHERE").map(({ id }) => id));
    this.#left = left > 0 ? inventory.filter(({ id }) => elsewhere.has(id)) : null;
    this.#adopted += rows.filter(({ verdict }) => verdict === "ADOPTED").length;
    return requeued.length;
  }

  /** What this very incarnation adopted in an earlier session, and the server doesn't have. Nothing of it is under way: a drain submits nothing. */
  async #requeueLost(inventory: Welcome["inventory"]): Promise<RequeuedRow[]> {
    const { store, holder, orphan } = this.#options;
    const there = new Set(inventory.map(({ id, fence }) => `${id} ${fence}`));
    const lost = (await readHeld(store, holder, orphan.id, 0)).filter(({ id, fence }) => !there.has(`${id} ${fence}`));
    if (lost.length === 0) return [];
    const message = "its server doesn't have it any more";
    const error = { code: "ServerLost", type: "ServerLost", bases: [], message, traceback: null };
    return await requeue(
      store,
      holder,
      lost.map((each) => ({ ...each, error })),
    );
  }

  #look(): void {
    // Before, nothing is held only because Postgres hasn't answered yet.
    if (this.#tookOver && this.#left === null && this.#attempts.held.size === 0) this.#over.resolve(null);
  }
}
