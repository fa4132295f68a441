import { Dealer } from "zeromq";
import { BridgeError } from "../../src/errors.ts";

/** Keys of a worker and of the server that it may talk to, in Z85. */
export interface CurveOptions {
  readonly serverKey: string;
  readonly publicKey: string;
  readonly secretKey: string;
}

export interface SocketOptions {
  readonly endpoint: string;
  readonly routingId: string;
  readonly curve: CurveOptions | null;
}

export interface SocketEvents {
  /** A connection stands (again): whatever was under way on the last one may be lost. */
  readonly onConnected: () => void;
  /** It is gone; ZeroMQ connects again by itself. */
  readonly onDisconnected: () => void;
  /** It can't be made, and trying again won't help: a sentence says why. */
  readonly onRefused: (error: BridgeError) => void;
}

/** One DEALER socket: the only file that knows ZeroMQ. */
export interface BridgeSocket {
  /** Resolves when the frame is queued locally: nothing more. One send at a time. Rejects while no connection stands. */
  send(frame: Uint8Array): Promise<void>;
  /** Frames until `close`. */
  frames(): AsyncIterable<Uint8Array>;
  close(): void;
}

/** Milliseconds a send may wait for room: without it a DEALER with no peer waits for ever. */
const SEND_TIMEOUT = 1_000;

/** Connects, again and again; succeeds whether anybody is bound there or not. */
export function openSocket(options: SocketOptions, events: SocketEvents): BridgeSocket {
  const dealer = new Dealer({
    routingId: options.routingId,
    immediate: true,
    linger: 0,
    sendTimeout: SEND_TIMEOUT,
    sendHighWaterMark: 10_000,
    receiveHighWaterMark: 10_000,
    reconnectInterval: 50,
    reconnectMaxInterval: 500,
    heartbeatInterval: 1_000,
    heartbeatTimeout: 3_000,
  });
  dealer.events.on("handshake", () => events.onConnected());
  dealer.events.on("disconnect", () => events.onDisconnected());
  dealer.events.on("handshake:error:auth", () => events.onRefused(new BridgeError("The server refused the keys.")));
  dealer.connect(options.endpoint);
  return {
    async send(frame) {
      await dealer.send(frame);
    },
    async *frames() {
      for await (const [frame] of dealer) if (frame !== undefined) yield frame;
    },
    close: () => dealer.close(),
  };
}
