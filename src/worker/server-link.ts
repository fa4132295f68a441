import { randomBytes } from "node:crypto";
import { join } from "node:path";
import {
  BridgeSession,
  type DatabaseIdentity,
  type InventoryEntry,
  type ServerMessage,
  type Welcome,
  type WorkerMessage,
} from "../../bridge/src/index.ts";
import { BridgeError, type RayferryError, SidecarError } from "../errors.ts";
import type { Logger } from "../logger.ts";
import { VERSION } from "../package.ts";
import { AUTHORITY_SECONDS } from "../store/lease.ts";
import type { WorkerSettings } from "./options.ts";
import { findPython } from "./python.ts";
import { type ServingActor, Sidecar } from "./sidecar.ts";

/** Milliseconds from the sidecar's start until it serves: Ray takes 4 to 10 s, a busy machine longer. */
const SERVE_TIMEOUT = 120_000;
/** Milliseconds from then to the inventory. */
const OPEN_TIMEOUT = 20_000;

export interface ServerLinkOptions {
  readonly settings: WorkerSettings;
  /** The worker's own, for sockets and for Ray's session. */
  readonly folder: string;
  readonly incarnation: string;
  /** Incarnations of this worker that are known to be dead. */
  readonly replaces: readonly string[];
  readonly database: DatabaseIdentity | null;
  /** Which database and schema: workers of different ones never share a server. */
  readonly databaseDigest: string;
  readonly logger: Logger;
  /** Attempts held at the server. */
  readonly held: () => number;
  readonly onMessage: (message: ServerMessage) => void;
  /** The sidecar has ended, or the session with it. */
  readonly onLost: (error: RayferryError) => void;
}

export interface OpenedServer extends Welcome {
  readonly endpoint: string;
  readonly sidecarPid: number;
  /** Of a server in an actor. */
  readonly actor: ServingActor | null;
}

/** The server that a worker submits to, and the way to it: a sidecar process that hosts it or leads to it, and the session over the bridge. */
export class ServerLink {
  readonly #options: ServerLinkOptions;
  #sidecar: Sidecar | null = null;
  #session: BridgeSession | null = null;
  #outlives = false;
  #isSilent = false;
  #isStopped = false;

  constructor(options: ServerLinkOptions) {
    this.#options = options;
  }

  /** The server goes on without its worker. */
  get outlives(): boolean {
    return this.#outlives;
  }

  get sidecar(): Sidecar | null {
    return this.#sidecar;
  }

  /** @throws SidecarError, BridgeError; a stop meanwhile makes it throw too. */
  async open(): Promise<OpenedServer> {
    const sidecar = await this.#start();
    this.#sidecar = sidecar;
    void sidecar.ended.then((error) => this.#options.onLost(error));
    if (this.#isStopped) throw new SidecarError("STOPPED", "The worker was stopped while it started.");
    const serving = await sidecar.serving(SERVE_TIMEOUT);
    this.#outlives = serving.actor !== null;
    const session = this.#connect(serving.endpoint);
    this.#session = session;
    const ended = sidecar.ended.then((error) => Promise.reject(error));
    ended.catch(() => {});
    const opened = await Promise.race([session.open(), ended]);
    return { ...opened, endpoint: serving.endpoint, actor: serving.actor, sidecarPid: sidecar.pid };
  }

  /** Nothing before the session is open, nor after its end. */
  send(message: WorkerMessage): void {
    this.#session?.send(message);
  }

  hold(isHeld: boolean): void {
    this.#session?.hold(isHeld);
  }

  /** @throws BridgeError */
  inventory(): Promise<readonly InventoryEntry[]> {
    if (this.#session === null) return Promise.reject(new BridgeError("There is no session yet."));
    return this.#session.inventory();
  }

  /** Ends the session, and the server unless it outlives its worker; then the sidecar. May be repeated. */
  async stop(reason: string): Promise<void> {
    this.#isStopped = true;
    // One that is silent has nothing to say at its end either, and must not go on beside its successor.
    if (this.#isSilent && !this.#outlives) this.#sidecar?.kill();
    await this.#session?.close(reason, !this.#outlives);
    await this.#sidecar?.stop();
  }

  #start(): Promise<Sidecar> {
    const { settings, folder, databaseDigest, logger } = this.#options;
    return Sidecar.start({
      python: findPython(settings.python, settings.folder),
      folder: settings.folder,
      // A socket of its own each time: an older sidecar may be slow to end.
      endpoint: `ipc://${join(folder, `${randomBytes(4).toString("hex")}.sock`)}`,
      runner: settings.runner,
      attached: settings.attached,
      rayAddress: settings.rayAddress,
      // Its own: an older sidecar that is slow to end removes its folder, and kills what uses it.
      rayTempFolder: join(folder, randomBytes(2).toString("hex").slice(0, 3)),
      tasks: settings.tasks,
      authoritySeconds: AUTHORITY_SECONDS,
      orphanGraceSeconds: settings.orphanGrace,
      worker: settings.name,
      databaseDigest,
      logger,
    });
  }

  #connect(endpoint: string): BridgeSession {
    const { settings, incarnation, replaces, database, held, onMessage, onLost } = this.#options;
    return new BridgeSession({
      endpoint,
      build: VERSION,
      worker: settings.name,
      incarnation,
      replaces,
      database,
      openTimeout: OPEN_TIMEOUT,
      held,
      onMessage,
      onLost: (error) => {
        this.#isSilent = true;
        onLost(error);
      },
    });
  }
}
