import type { RayferryError } from "../errors.ts";
import type { ServerAddress } from "../server-address.ts";
import type { Way } from "./adopter.ts";
import type { ServerHost, ServerPlace } from "./server-host.ts";

/** A server that somebody started by hand: it is there or it isn't, and goes on after its worker's end. */
export class HostElsewhere implements ServerHost {
  readonly #address: ServerAddress;
  /** There is no process in between that could end. */
  readonly ended = new Promise<RayferryError>(() => {});

  constructor(address: ServerAddress) {
    this.#address = address;
  }

  async open(): Promise<ServerPlace> {
    return { ...this.#address, actor: null, sidecarPid: null, workAtStop: "WAIT", openTimeout: null };
  }

  /** Its process may be gone, or only the network to it. */
  async isServerDead(): Promise<boolean> {
    return false;
  }

  /** Actors are reached through a sidecar. Of the server at this address, one life alone answers, and that is the own one. */
  async findWay(): Promise<Way> {
    return "UNREACHABLE";
  }

  async stop(): Promise<void> {}
}
