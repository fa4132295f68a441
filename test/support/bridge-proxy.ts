import { rmSync } from "node:fs";
import { type Passage, Relay } from "./relay.ts";

/** A unix socket in front of a server's, that can do to its connections what networks do. */
export class BridgeProxy {
  readonly endpoint: string;
  readonly #relay: Relay;
  readonly #path: string;

  private constructor(target: string) {
    const path = target.replace("ipc://", "");
    this.#relay = new Relay({ path });
    this.#path = `${path}.proxy`;
    this.endpoint = `ipc://${this.#path}`;
  }

  /** In front of this ipc:// endpoint. */
  static async listen(target: string): Promise<BridgeProxy> {
    const proxy = new BridgeProxy(target);
    await proxy.#relay.listen({ path: proxy.#path });
    return proxy;
  }

  /** Connections so far. */
  get connections(): number {
    return this.#relay.connections;
  }

  /** From now on, for old connections and new ones. */
  pass(toServer: Passage, toWorker: Passage = toServer): void {
    this.#relay.pass(toServer, toWorker);
  }

  /** Both sides see their connection end. */
  drop(): void {
    this.#relay.drop();
  }

  /** Both sides lose their connection with whatever is under way, in the middle of a frame too. */
  reset(): void {
    this.#relay.reset();
  }

  /** One side's connection is gone, and the other side isn't told. */
  cutOff(side: "worker" | "server"): void {
    this.#relay.cutOff(side === "worker" ? "client" : "server");
  }

  async close(): Promise<void> {
    await this.#relay.close();
    rmSync(this.#path, { force: true });
  }
}
