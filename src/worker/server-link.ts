import {
  BridgeSession,
  type DatabaseIdentity,
  type InventoryEntry,
  type ServerMessage,
  type Welcome,
  type WorkerMessage,
} from "../../bridge/src/index.ts";
import { BridgeError, type RayferryError, SidecarError } from "../errors.ts";
import { VERSION } from "../package.ts";
import type { ServerHost, ServerPlace, WorkAtStop } from "./server-host.ts";

export interface ServerLinkOptions {
  readonly host: ServerHost;
  readonly worker: string;
  readonly incarnation: string;
  /** Incarnations that are known to be dead. */
  readonly replaces: readonly string[];
  readonly database: DatabaseIdentity | null;
  /** Attempts held at the server. */
  readonly held: () => number;
  readonly onMessage: (message: ServerMessage) => void;
  /** What hosts it has ended, or the session. */
  readonly onLost: (error: RayferryError) => void;
}

export interface OpenedServer extends Welcome {
  readonly place: ServerPlace;
}

/** The server that a worker submits to: what hosts it, and the session with it over the bridge. */
export class ServerLink {
  readonly #options: ServerLinkOptions;
  #session: BridgeSession | null = null;
  #place: ServerPlace | null = null;
  #isSilent = false;
  #isStopped = false;

  constructor(options: ServerLinkOptions) {
    this.#options = options;
  }

  get host(): ServerHost {
    return this.#options.host;
  }

  get workAtStop(): WorkAtStop {
    return this.#place?.workAtStop ?? "END";
  }

  /** @throws SidecarError, BridgeError; a stop meanwhile makes it throw too. */
  async open(): Promise<OpenedServer> {
    const { host, onLost } = this.#options;
    const place = await host.open();
    this.#place = place;
    void host.ended.then((error) => onLost(error));
    if (this.#isStopped) throw new SidecarError("STOPPED", "The worker was stopped while it started.");
    const session = this.#connect(place);
    this.#session = session;
    const ended = host.ended.then((error) => Promise.reject(error));
    ended.catch(() => {});
    const opened = await Promise.race([session.open(), ended]);
    return { ...opened, place };
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

  /** Ends the session, and the server unless it outlives its worker; then what hosts it. May be repeated. */
  async stop(reason: string): Promise<void> {
    this.#isStopped = true;
    await this.#session?.close(reason, this.workAtStop === "END");
    await this.#options.host.stop(this.#isSilent);
  }

  #connect({ endpoint, curve, openTimeout }: ServerPlace): BridgeSession {
    const { worker, incarnation, replaces, database, held, onMessage, onLost } = this.#options;
    return new BridgeSession({
      endpoint,
      curve,
      build: VERSION,
      worker,
      incarnation,
      replaces,
      database,
      openTimeout,
      held,
      onMessage,
      onLost: (error) => {
        this.#isSilent = true;
        onLost(error);
      },
    });
  }
}
