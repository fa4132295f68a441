import type { AddressInfo } from "node:net";
import { connect, createServer, type ListenOptions, type NetConnectOpts, type Socket } from "node:net";

/** How bytes pass in one direction. `hole`: not at all, though the connection stands; they come when it is healed. */
export type Passage = "freely" | "byte by byte" | "hole" | { readonly delay: number };

interface Pair {
  /** Of who connected to the relay. */
  readonly client: Socket;
  readonly server: Socket;
}

/** A listener in front of a server's, that can do to its connections what networks do. */
export class Relay {
  readonly #target: NetConnectOpts;
  readonly #passesErrors: boolean;
  readonly #pairs = new Set<Pair>();
  readonly #listener = createServer((client) => this.#join(client));
  #passage: { toServer: Passage; toClient: Passage } = { toServer: "freely", toClient: "freely" };
  /** Ends whatever waits for another passage. */
  #healed = Promise.withResolvers<void>();
  /** Connections so far. */
  connections = 0;

  /** `passesErrors`: where the server refuses or resets a connection by itself, the client's is reset too. */
  constructor(target: NetConnectOpts, { passesErrors = false } = {}) {
    this.#target = target;
    this.#passesErrors = passesErrors;
  }

  async listen(at: ListenOptions): Promise<void> {
    await new Promise<void>((resolve) => this.#listener.listen(at, () => resolve()));
  }

  /** Where it listens by TCP. */
  get port(): number {
    return (this.#listener.address() as AddressInfo).port;
  }

  /** From now on, for old connections and new ones. */
  pass(toServer: Passage, toClient: Passage = toServer): void {
    this.#passage = { toServer, toClient };
    this.#healed.resolve();
    this.#healed = Promise.withResolvers<void>();
  }

  /** Both sides see their connection end. */
  drop(): void {
    for (const pair of this.#pairs) for (const socket of [pair.client, pair.server]) socket.end();
  }

  /** Both sides lose their connection with whatever is under way, in the middle of a frame too. */
  reset(): void {
    for (const pair of this.#pairs) for (const socket of [pair.client, pair.server]) socket.destroy();
  }

  /** One side's connection is gone, and the other side isn't told. */
  cutOff(side: "client" | "server"): void {
    for (const pair of this.#pairs) pair[side].destroy();
  }

  /** Whoever had been cut off from hears of it now. */
  mend(): void {
    for (const { client, server } of this.#pairs) {
      if (client.destroyed) server.destroy();
      else if (server.destroyed) client.destroy();
    }
  }

  async close(): Promise<void> {
    this.pass("freely");
    this.reset();
    await new Promise<void>((resolve) => this.#listener.close(() => resolve()));
  }

  #join(client: Socket): void {
    this.connections += 1;
    const pair = { client, server: connect(this.#target) };
    this.#pairs.add(pair);
    for (const socket of [pair.client, pair.server]) {
      socket.on("error", () => this.#passesErrors && [pair.client, pair.server].map((each) => each.destroy()));
      socket.on("close", () => pair.client.destroyed && pair.server.destroyed && this.#pairs.delete(pair));
    }
    void this.#carry(pair.client, pair.server, () => this.#passage.toServer);
    void this.#carry(pair.server, pair.client, () => this.#passage.toClient);
  }

  /** Until one of them ends. A side that is cut off leaves the other one open: that is what half-open means. */
  async #carry(from: Socket, to: Socket, passage: () => Passage): Promise<void> {
    try {
      for await (const chunk of from) {
        let rest: Buffer = chunk;
        while (rest.length > 0) {
          const how = passage();
          if (how === "hole") {
            await this.#healed.promise;
            continue;
          }
          if (typeof how === "object") await new Promise((resolve) => setTimeout(resolve, how.delay));
          const count = how === "byte by byte" ? 1 : rest.length;
          if (!to.write(rest.subarray(0, count)) && !to.destroyed) await drained(to);
          rest = rest.subarray(count);
          if (how === "byte by byte") await new Promise((resolve) => setImmediate(resolve));
        }
      }
      to.end();
    } catch {
      // It was destroyed: reset() and cutOff() say what becomes of the other side.
    }
  }
}

function drained(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    socket.once("drain", resolve);
    socket.once("close", () => resolve());
  });
}
