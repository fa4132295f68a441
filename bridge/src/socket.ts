/**
 * One DEALER socket: the only file that knows ZeroMQ.
 *
 *   connecting ── handshake ──► connected ── disconnect ─┐
 *     ▲   │                                              │   ZeroMQ connects again by itself
 *     └───┼──────────────────────────────────────────────┘
 *         └── a handshake that can't succeed ──► refused (told once, by `onRefused`)
 *
 * What zeromq.js 6.8 emits, the same on ipc and tcp: `handshake` for each completed handshake, 1 ms (NULL) to 3 ms (CURVE) after `connect`; `disconnect`
 * 3 ms after the peer died, 3.4 s after it froze (heartbeats), and after each failed handshake too; `close` after a connect that failed;
 * `connect:delay` where neither is known at once.
 */
import { curveKeyPair, Dealer } from "zeromq";
import { BridgeError } from "../../src/errors.ts";
import { MAX_ENVELOPE_BYTES } from "./envelope.ts";
import type { KeyPair } from "./keys.ts";
import { type Peer, Refusal } from "./refusal.ts";
import type { Reach } from "./silence.ts";

export interface SocketEvents {
  /** A connection stands (again): whatever was under way on the last one may be lost. */
  readonly onConnected: () => void;
  /** It is gone; ZeroMQ connects again by itself. */
  readonly onDisconnected: () => void;
  /** It can't be made, and trying again won't help: a sentence says why. Told once; nothing follows. */
  readonly onRefused: (error: BridgeError) => void;
}

export interface BridgeSocket {
  /** Resolves when the frame is queued locally: nothing more. One send at a time. Rejects while no connection stands. */
  send(frame: Uint8Array): Promise<void>;
  /** Frames until `close`. */
  frames(): AsyncIterable<Uint8Array>;
  /** How far the connection gets now. */
  readonly reach: Reach;
  close(): void;
}

export interface SocketOptions extends Peer {
  readonly routingId: string;
}

/** Milliseconds that a send may wait where the connection has gone and its event is still on the way. */
const SEND_TIMEOUT = 100;
/** A little more than an envelope may have, so that one too large is refused with a sentence, not by a cut connection. */
const MAX_MESSAGE_BYTES = MAX_ENVELOPE_BYTES + 1024 * 1024;
/** Milliseconds; a CURVE handshake takes 3. */
const HANDSHAKE_TIMEOUT = 3_000;
/** Milliseconds: a dead connection is noticed after 3.4 s. */
const HEARTBEAT_INTERVAL = 1_000;
const HEARTBEAT_TIMEOUT = 3_000;

/**
 * Connects in the background, whether anybody is bound there or not.
 *
 * @throws BridgeError when ZeroMQ can't make anything of the endpoint or of a key.
 */
export function openSocket(options: SocketOptions, events: SocketEvents): BridgeSocket {
  const { endpoint } = options;
  let state: "connecting" | "connected" | "over" = "connecting";
  let reach: Reach = "unanswered";
  const refusal = new Refusal(options, (error) => {
    state = "over";
    // Or it would go on knocking, 20 times a second.
    dealer.disconnect(endpoint);
    events.onRefused(error);
  });

  const dealer = connectDealer(options, ({ events: observer }) => {
    observer.on("connect", () => {
      reach = "mute";
      refusal.onConnect();
    });
    observer.on("close", () => {
      reach = "refused";
    });
    observer.on("connect:delay", () => {
      reach = "unanswered";
    });
    observer.on("handshake", () => {
      if (state === "over") return;
      state = "connected";
      reach = "connected";
      refusal.onHandshake();
      events.onConnected();
    });
    observer.on("disconnect", () => {
      if (state === "connecting") refusal.onFailure();
      if (state !== "connected") return;
      state = "connecting";
      reach = "mute";
      events.onDisconnected();
    });
    observer.on("handshake:error:auth", ({ error }) => refusal.onAuth(error.status));
    observer.on("handshake:error:protocol", ({ error }) => refusal.onProtocol(error.code));
  });

  return {
    async send(frame) {
      if (state !== "connected") throw new BridgeError(`No connection to ${endpoint} stands: nothing was sent.`);
      try {
        await dealer.send(frame);
      } catch (error) {
        throw new BridgeError(`The connection to ${endpoint} has gone: nothing was sent.`, { cause: error });
      }
    },
    async *frames() {
      // A message in several parts isn't ours; an empty frame is refused as malformed by whoever opens it.
      for await (const parts of dealer) yield (parts.length === 1 ? parts[0] : null) ?? new Uint8Array();
    },
    get reach() {
      return reach;
    },
    close() {
      state = "over";
      refusal.close();
      dealer.close();
    },
  };
}

function connectDealer({ endpoint, routingId, curve }: SocketOptions, watch: (dealer: Dealer) => void): Dealer {
  try {
    const dealer = new Dealer({
      routingId,
      // Nothing is queued while no connection stands: it would arrive before the hello of the next one.
      immediate: true,
      linger: 0,
      ipv6: endpoint.startsWith("tcp://["),
      sendTimeout: SEND_TIMEOUT,
      // No limit in ZeroMQ: the protocol's credit bounds what is outstanding, and at a limit sends would wait.
      sendHighWaterMark: 0,
      receiveHighWaterMark: 0,
      maxMessageSize: MAX_MESSAGE_BYTES,
      reconnectInterval: 50,
      reconnectMaxInterval: 500,
      handshakeInterval: HANDSHAKE_TIMEOUT,
      heartbeatInterval: HEARTBEAT_INTERVAL,
      heartbeatTimeout: HEARTBEAT_TIMEOUT,
      heartbeatTimeToLive: HEARTBEAT_TIMEOUT,
      ...(curve === null
        ? {}
        : { curveServerKey: curve.serverKey, curvePublicKey: curve.publicKey, curveSecretKey: curve.secretKey }),
    });
    watch(dealer);
    dealer.connect(endpoint);
    return dealer;
  } catch (error) {
    throw new BridgeError(`ZeroMQ can't use the endpoint ${endpoint} or one of its keys: ${error}`, { cause: error });
  }
}

/** A new CURVE pair. */
export function makeKeyPair(): KeyPair {
  return curveKeyPair();
}
