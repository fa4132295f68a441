import type { DatabaseIdentity, InventoryEntry } from "../../bridge/src/index.ts";
import { SidecarError } from "../errors.ts";
import type { Logger } from "../logger.ts";
import { adopt, requeueMissing } from "../store/adopt.ts";
import type { Store } from "../store/connection.ts";
import { endServer, findOrphanedServers, type OrphanedServer } from "../store/server.ts";
import { Drain } from "./drain.ts";
import { Loop } from "./loop.ts";
import type { Served } from "./served.ts";
import type { ServerWay } from "./sidecar.ts";

/** Milliseconds between looks for servers that outlived their workers. */
const LOOK = 2_000;
/** ... from one try at a server to the next: somebody else may be draining it too. */
const TRY_AGAIN = 10_000;

/** ... at most, to one at which somebody else still holds all that there is. */
const LEFT_ALONE = 60_000;
/** ... and from one comparison of the own server with Postgres to the next: of what no message told. */
const COMPARE = 60_000;

/** The way to a server: an endpoint, the news that it is dead, or that it can't be reached from here. */
export type Way = ServerWay | "DEAD" | "UNREACHABLE";

export interface AdopterOptions {
  readonly store: Store;
  readonly holder: string;
  readonly worker: string;
  readonly database: DatabaseIdentity | null;
  /** The server that this incarnation submits to. */
  readonly own: Served;
  /** Name of its actor, and the cluster that this is on; null where it has none. */
  readonly ownActor: string | null;
  readonly rayAddress: string | null;
  /** What the own server holds now. */
  readonly ownInventory: () => Promise<readonly InventoryEntry[]>;
  readonly findWay: (orphan: OrphanedServer) => Promise<Way>;
  readonly graceSeconds: number;
  readonly logger: Logger;
  readonly onError: (error: unknown) => void;
}

/**
 * Takes over what dead incarnations left at servers that live on: at the own one by its inventory, at others by a session of role `drain` with
 * each, until nothing is left there.
 */
export class Adopter {
  readonly #options: AdopterOptions;
  readonly #loop: Loop;
  readonly #drains = new Map<string, Drain>();
  readonly #notBefore = new Map<string, number>();
  /** Drains of each server, one after the other, that found nothing. */
  readonly #vain = new Map<string, number>();
  #isNeeded = true;
  #comparedAt = performance.now();

  constructor(options: AdopterOptions) {
    this.#options = options;
    this.#loop = new Loop(() => this.runOnce(), options.onError);
  }

  start(): void {
    this.#loop.start();
  }

  async stop(): Promise<void> {
    await this.#loop.stop();
    await Promise.all([...this.#drains.values()].map((drain) => drain.close("the worker stops")));
  }

  /** From the beat: whether there are servers that others left, or may leave. Without any, nothing is asked. */
  setNeeded(isNeeded: boolean): void {
    this.#isNeeded = isNeeded;
  }

  /** Servers that are being drained. */
  served(): readonly Served[] {
    return [...this.#drains.values()].flatMap(({ served }) => (served === null ? [] : [served]));
  }

  async runOnce(): Promise<number> {
    if (performance.now() - this.#comparedAt >= COMPARE) await this.#compareOwn([]);
    for (const drain of this.#drains.values()) await drain.takeOverLeft();
    if (!this.#isNeeded) return LOOK;
    const { store, holder, worker, own } = this.#options;
    for (const orphan of await findOrphanedServers(store, worker, holder)) {
      if (orphan.id === own.server) await this.#compareOwn(orphan.deadHolders);
      else if (this.#isDue(orphan)) await this.#drain(orphan);
    }
    return LOOK;
  }

  #isDue({ id, holdsRows, deadHolders }: OrphanedServer): boolean {
    // What somebody leaves there later, while we drain it, is taken over at once: what we have may go on for hours.
    const present = this.#drains.get(id);
    if (present !== undefined) return !present.covers(deadHolders);
    const vain = holdsRows ? 0 : (this.#vain.get(id) ?? 0);
    const wait = vain === 0 ? 0 : Math.min(LOOK * 2 ** (vain - 1), LEFT_ALONE) - LOOK;
    return (this.#notBefore.get(id) ?? 0) + wait <= performance.now();
  }

  /**
   * Takes over what somebody who drained the own server and died held there, and what was forgotten on the way: a result that Postgres has and the
   * server was never told of, an attempt that another has taken away there and not in Postgres.
   */
  async #compareOwn(deadHolders: readonly string[]): Promise<void> {
    const { store, holder, worker, own, ownInventory } = this.#options;
    this.#comparedAt = performance.now();
    const before = own.attempts.held.all();
    const inventory = await ownInventory();
    own.attempts.adopt(await adopt(store, { holder, worker, server: own.server, inventory }), inventory);
    own.attempts.giveUpMissing(before, inventory);
    if (deadHolders.length > 0) await requeueMissing(store, own.server, deadHolders, inventory);
  }

  async #drain(orphan: OrphanedServer): Promise<void> {
    const { worker, logger } = this.#options;
    const way = await this.#wayTo(orphan);
    if (way === "DEAD") {
      await this.#noteDead(orphan);
      return;
    }
    this.#notBefore.set(orphan.id, performance.now() + TRY_AGAIN);
    if (way === "UNREACHABLE") return;
    const present = this.#drains.get(orphan.id);
    this.#drains.delete(orphan.id);
    await present?.close("others died there");
    // Of this worker's own name, and not the one that it submits to: older code, or an older host. Others may get a new incarnation.
    const drain = new Drain({ ...this.#options, orphan, way, retire: orphan.worker === worker });
    this.#drains.set(orphan.id, drain);
    try {
      await drain.open();
    } catch (error) {
      this.#drains.delete(orphan.id);
      await drain.close("it couldn't be opened");
      if (isSomebodyElse(error) && this.#isOnOurCluster(orphan)) {
        await this.#noteDead(orphan);
        return;
      }
      logger.warn(
        { server: orphan.id, error: String(error) },
        "a server that outlived its worker can't be adopted now",
      );
      return;
    }
    void drain.over.then((lost) => this.#end(orphan, drain, lost?.message ?? "nothing is left"));
  }

  /**
   * An actor's name is one actor's at a time. So of those that had our own server's name before it none lives, and to knock there would be to take our
   * own session away. But only of our own cluster do we know who is dead.
   */
  async #wayTo(orphan: OrphanedServer): Promise<Way> {
    const { ownActor, findWay } = this.#options;
    const isOurs = ownActor !== null && orphan.actorName === ownActor;
    const way = isOurs ? "DEAD" : await findWay(orphan);
    return way === "DEAD" && !this.#isOnOurCluster(orphan) ? "UNREACHABLE" : way;
  }

  #isOnOurCluster({ rayAddress }: OrphanedServer): boolean {
    return rayAddress === this.#options.rayAddress;
  }

  async #noteDead(orphan: OrphanedServer): Promise<void> {
    const { store, logger } = this.#options;
    logger.warn({ server: orphan.id, of: orphan.worker }, "a server is dead: what it held is requeued");
    await endServer(store, orphan.id);
  }

  async #end(orphan: OrphanedServer, drain: Drain, reason: string): Promise<void> {
    await drain.close(reason);
    // Another may have taken its place.
    if (this.#drains.get(orphan.id) !== drain) return;
    this.#drains.delete(orphan.id);
    this.#notBefore.set(orphan.id, performance.now() + LOOK);
    this.#vain.set(orphan.id, drain.adopted > 0 ? 0 : (this.#vain.get(orphan.id) ?? 0) + 1);
    this.#options.logger.info({ server: orphan.id, of: orphan.worker, reason }, "drained a server");
  }
}

/** Another actor answers by its name. */
function isSomebodyElse(error: unknown): boolean {
  return error instanceof SidecarError && error.reason === "WRONG_SERVER";
}
