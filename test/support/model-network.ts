import type { BridgeSocket, SocketEvents, SocketOptions } from "../../bridge/src/socket.ts";

/** One connection after another between a session and a server, each losing what the schedule says. */
export class ModelNetwork {
  readonly up: Uint8Array[] = [];
  readonly down: Uint8Array[] = [];
  /** The next sends fail, though the connection stands. */
  failing = 0;
  #isConnected = false;
  #events: SocketEvents | null = null;
  #arrived: Uint8Array[] = [];
  #wake: (() => void) | null = null;
  #isClosed = false;

  readonly openSocket = (_options: SocketOptions, events: SocketEvents): BridgeSocket => {
    this.#events = events;
    return {
      send: async (frame) => {
        if (!this.#isConnected || this.failing > 0) {
          this.failing = Math.max(0, this.failing - 1);
          throw new Error("Nobody can be reached.");
        }
        this.up.push(frame);
      },
      frames: () => this.#frames(),
      reach: "connected",
      close: () => {
        this.#isClosed = true;
        this.#wake?.();
      },
    };
  };

  connect(): void {
    if (this.#isConnected) return;
    this.#isConnected = true;
    this.#events?.onConnected();
  }

  /** With whatever is under way. */
  disconnect(): void {
    if (!this.#isConnected) return;
    this.#isConnected = false;
    this.up.length = this.down.length = 0;
    this.#events?.onDisconnected();
  }

  deliverDown(): void {
    const frame = this.down.shift();
    if (frame === undefined) return;
    this.#arrived.push(frame);
    this.#wake?.();
  }

  async *#frames(): AsyncIterable<Uint8Array> {
    while (!this.#isClosed) {
      yield* this.#arrived.splice(0);
      if (this.#arrived.length > 0) continue;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}
