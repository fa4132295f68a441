import { randomBytes } from "node:crypto";
import { join } from "node:path";
import {
  BridgeSession,
  type DatabaseIdentity,
  type ServerMessage,
  type Welcome,
  type WorkerMessage,
} from "../../bridge/src/index.ts";
import { type RayferryError, SidecarError } from "../errors.ts";
import type { Logger } from "../logger.ts";
import { VERSION } from "../package.ts";
import { AUTHORITY_SECONDS } from "../store/lease.ts";
import type { WorkerSettings } from "./options.ts";
import { findPython } from "./python.ts";
import { Sidecar } from "./sidecar.ts";

/** Milliseconds from the sidecar's start to its welcome: Ray takes 4 to 10 s, a busy machine longer. */
const OPEN_TIMEOUT = 120_000;

export interface ServerLinkOptions {
  readonly settings: WorkerSettings;
  /** The worker's own, for sockets and for Ray's session. */
  readonly folder: string;
  readonly incarnation: string;
  readonly database: DatabaseIdentity | null;
  readonly logger: Logger;
  readonly onMessage: (message: ServerMessage) => void;
  /** The sidecar has ended, or the session with it. */
  readonly onLost: (error: RayferryError) => void;
}

/** A server and the way to it: here a sidecar process that hosts it, and the session over the bridge. */
export class ServerLink {
  readonly endpoint: string;
  readonly #options: ServerLinkOptions;
  #sidecar: Sidecar | null = null;
  #session: BridgeSession | null = null;
  #isSilent = false;
  #isStopped = false;

  constructor(options: ServerLinkOptions) {
    this.#options = options;
    this.endpoint = `ipc://${join(options.folder, `${randomBytes(4).toString("hex")}.sock`)}`;
  }

  /** @throws SidecarError, BridgeError; a stop meanwhile makes it throw too. */
  async open(): Promise<Welcome & { readonly sidecarPid: number }> {
    const sidecar = await this.#start();
    this.#sidecar = sidecar;
    void sidecar.ended.then((error) => this.#options.onLost(error));
    if (this.#isStopped) throw new SidecarError("STOPPED", "The worker was stopped while it started.");
    const session = this.#connect();
    this.#session = session;
    const ended = sidecar.ended.then((error) => Promise.reject(error));
    ended.catch(() => {});
    const opened = await Promise.race([session.open(), ended]);
    return { ...opened, sidecarPid: sidecar.pid };
  }

  /** Nothing before the session is open, nor after its end. */
  send(message: WorkerMessage): void {
    this.#session?.send(message);
  }

  /** Ends the session, then the sidecar with its Ray. May be repeated. */
  async stop(reason: string): Promise<void> {
    this.#isStopped = true;
    // One that is silent has nothing to say at its end either, and must not go on beside its successor.
    if (this.#isSilent) this.#sidecar?.kill();
    await this.#session?.close(reason, true);
    await this.#sidecar?.stop();
  }

  #start(): Promise<Sidecar> {
    const { settings, folder, logger } = this.#options;
    return Sidecar.start({
      python: findPython(settings.python, settings.folder),
      folder: settings.folder,
      endpoint: this.endpoint,
      runner: settings.runner,
      rayAddress: settings.rayAddress,
      // Its own: an older sidecar that is slow to end removes its folder, and kills what uses it.
      rayTempFolder: join(folder, randomBytes(2).toString("hex").slice(0, 3)),
      tasks: settings.tasks,
      authoritySeconds: AUTHORITY_SECONDS,
      logger,
    });
  }

  #connect(): BridgeSession {
    const { settings, incarnation, database, onMessage, onLost } = this.#options;
    return new BridgeSession({
      endpoint: this.endpoint,
      build: VERSION,
      worker: settings.name,
      incarnation,
      database,
      openTimeout: OPEN_TIMEOUT,
      onMessage,
      onLost: (error) => {
        this.#isSilent = true;
        onLost(error);
      },
    });
  }
}
