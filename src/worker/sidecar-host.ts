import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { SidecarError } from "../errors.ts";
import type { Logger } from "../logger.ts";
import { AUTHORITY_SECONDS } from "../store/lease.ts";
import type { OrphanedServer } from "../store/server.ts";
import type { Way } from "./adopter.ts";
import type { SidecarSettings } from "./options.ts";
import { findPython } from "./python.ts";
import type { ServerHost, ServerPlace } from "./server-host.ts";
import { Sidecar } from "./sidecar.ts";
import { findWay } from "./way.ts";

/** Milliseconds from the sidecar's start until it serves: Ray takes 4 to 10 s, a busy machine longer. */
const SERVE_TIMEOUT = 120_000;
/** Milliseconds from then to the inventory. */
const OPEN_TIMEOUT = 20_000;

export interface SidecarHostOptions {
  readonly settings: SidecarSettings;
  /** The worker's own, for sockets and for Ray's session. */
  readonly folder: string;
  /** Which database and schema: workers of different ones never share a server. */
  readonly databaseDigest: string;
  readonly logger: Logger;
}

/** A sidecar process of this worker's own, which hosts the server or leads to the actor that does. */
export class SidecarHost implements ServerHost {
  readonly #options: SidecarHostOptions;
  readonly #ended = Promise.withResolvers<SidecarError>();
  #sidecar: Sidecar | null = null;
  #outlives = false;
  #isStopped = false;

  constructor(options: SidecarHostOptions) {
    this.#options = options;
  }

  get ended(): Promise<SidecarError> {
    return this.#ended.promise;
  }

  async open(): Promise<ServerPlace> {
    const sidecar = await this.#start();
    this.#sidecar = sidecar;
    void sidecar.ended.then((error) => this.#ended.resolve(error));
    if (this.#isStopped) throw new SidecarError("STOPPED", "The worker was stopped while it started.");
    const { endpoint, curve, actor } = await sidecar.serving(SERVE_TIMEOUT);
    this.#outlives = actor !== null;
    const workAtStop = this.#outlives ? "LEAVE" : "END";
    return { endpoint, curve, actor, sidecarPid: sidecar.pid, workAtStop, openTimeout: OPEN_TIMEOUT };
  }

  /** A server that would have outlived us is known to be dead where its sidecar saw it die. */
  async isServerDead(): Promise<boolean> {
    return (await Promise.race([this.#sidecar?.ended, null]))?.reason === "SERVER_DIED";
  }

  async findWay(orphan: OrphanedServer): Promise<Way> {
    const { attached, runner } = this.#options.settings;
    // One that hosts its server itself answers no questions for others.
    return await findWay(orphan, attached ? null : this.#sidecar, runner);
  }

  async stop(isSilent: boolean): Promise<void> {
    this.#isStopped = true;
    // One that is silent has nothing to say at its end, and must not go on beside its successor.
    if (isSilent && !this.#outlives) this.#sidecar?.kill();
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
      hostOn: settings.hostOn,
      worker: settings.name,
      databaseDigest,
      logger,
    });
  }
}
