import { Dealer } from "zeromq";

/** One DEALER socket: the only file that knows ZeroMQ. */
export interface BridgeSocket {
  /** Resolves when the frame is queued locally: nothing more. One send at a time. */
  send(frame: Uint8Array): Promise<void>;
  /** Frames until `close`. */
  frames(): AsyncIterable<Uint8Array>;
  close(): void;
}

/** Milliseconds a send may wait for room: without it a DEALER with no peer waits for ever. */
const SEND_TIMEOUT = 5_000;

/** Connects; succeeds whether anybody is bound there or not. */
export function openSocket(endpoint: string, routingId: string): BridgeSocket {
  const dealer = new Dealer({
    routingId,
    linger: 0,
    sendTimeout: SEND_TIMEOUT,
    sendHighWaterMark: 10_000,
    receiveHighWaterMark: 10_000,
    reconnectInterval: 50,
    reconnectMaxInterval: 500,
  });
  dealer.connect(endpoint);
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
