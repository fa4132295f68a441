import { rmSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";

/** How bytes pass in one direction. `hole`: not at all, though the connection stands; they come when it is healed. */
export type Passage = "freely" | "byte by byte" | "hole" | { readonly delay: number };

interface Pair {
  readonly worker: Socket;
  readonly server: Socket;
}

/** A unix socket in front of a server's, that can do to its connections what networks do. */
export class BridgeProxy {
  readonly endpoint: string;
  readonly #target: string;
  readonly #pairs = new Set<Pair>();
  readonly #listener = createServer((worker) => this.#join(worker));
  #path: string;
  #passage: { toServer: Passage; toWorker: Passage } = { toServer: "freely", toWorker: "freely" };
  /** Ends whatever waits for another passage. */
  #healed = Promise.withResolvers<void>();
  /** Connections so far. */
  connections = 0;

  private constructor(target: string) {
    this.#target = target.replace("ipc://", "");
    this.#path = `${this.#target}.proxy`;
    this.endpoint = `ipc://${this.#path}`;
  }

  /** In front of this ipc:// endpoint. */
  static async listen(target: string): Promise<BridgeProxy> {
    const proxy = new BridgeProxy(target);
    await new Promise<void>((resolve) => proxy.#listener.listen(proxy.#path, () => resolve()));
    return proxy;
  }

  /** From now on, for old connections and new ones. */
  pass(toServer: Passage, toWorker: Passage = toServer): void {
    this.#passage = { toServer, toWorker };
    this.#healed.resolve();
    this.#healed = Promise.withResolvers<void>();
  }

  /** Both sides see their connection end. */
  drop(): void {
    for (const pair of this.#pairs) for (const socket of [pair.worker, pair.server]) socket.end();
  }

  /** Both sides lose their connection with whatever is under way, in the middle of a frame too. */
  reset(): void {
    for (const pair of this.#pairs) for (const socket of [pair.worker, pair.server]) socket.destroy();
  }

  /** One side's connection is gone, and the other side isn't told. */
  cutOff(side: "worker" | "server"): void {
    for (const pair of this.#pairs) pair[side].destroy();
  }

  async close(): Promise<void> {
    this.pass("freely");
    this.reset();
    await new Promise<void>((resolve) => this.#listener.close(() => resolve()));
    rmSync(this.#path, { force: true });
  }

  #join(worker: Socket): void {
    this.connections += 1;
    const pair = { worker, server: connect(this.#target) };
    this.#pairs.add(pair);
    for (const socket of [pair.worker, pair.server]) {
      socket.on("error", () => {});
      socket.on("close", () => pair.worker.destroyed && pair.server.destroyed && this.#pairs.delete(pair));
    }
    void this.#carry(pair.worker, pair.server, () => this.#passage.toServer);
    void this.#carry(pair.server, pair.worker, () => this.#passage.toWorker);
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
