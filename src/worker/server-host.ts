import type { CurveOptions } from "../../bridge/src/index.ts";
import type { RayferryError } from "../errors.ts";
import type { OrphanedServer } from "../store/server.ts";
import type { Way } from "./adopter.ts";
import type { ServingActor } from "./sidecar.ts";

/**
 * What becomes at a stop of the work that runs.
 *
 * - `END`: it gets its grace, and is stopped and requeued then: the server ends with its worker.
 * - `LEAVE`: it goes on without a worker, for minutes.
 * - `WAIT`: it gets its grace, so that short work is recorded; what still runs then goes on, for the seconds of the server's authority.
 */
export type WorkAtStop = "END" | "LEAVE" | "WAIT";

/** Where the server listens, and what is known of it. */
export interface ServerPlace {
  readonly endpoint: string;
  /** Null: without CURVE. */
  readonly curve: CurveOptions | null;
  /** Of a server in an actor. */
  readonly actor: ServingActor | null;
  /** The process that this worker started for it; null where it didn't. */
  readonly sidecarPid: number | null;
  readonly workAtStop: WorkAtStop;
  /** Milliseconds to the inventory; null: it may not have been started yet. */
  readonly openTimeout: number | null;
}

/** What hosts the server that a worker submits to: a sidecar that this worker starts, or somebody else. */
export interface ServerHost {
  /** Starts it, where that is this worker's business. @throws SidecarError */
  open(): Promise<ServerPlace>;
  /** Resolves when it has ended though nobody stopped it, with why. */
  readonly ended: Promise<RayferryError>;
  /** Whether it is certain that the server is dead. */
  isServerDead(): Promise<boolean>;
  /** The way to another server, which outlived its worker. */
  findWay(orphan: OrphanedServer): Promise<Way>;
  /** Ends what this worker started. May be repeated. `isSilent`: the server doesn't answer any more. */
  stop(isSilent: boolean): Promise<void>;
}
