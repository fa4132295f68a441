/**
 * A worker's side of one session with one server (PROTOCOL.md).
 *
 *   opening ── welcome + registry ─► open ── close() ─► closed
 *      └────── refused, silence ───────┴── silence, fault, broken frame ─► lost (told once, by `onLost`)
 *
 * Messages of one event-loop turn go in one frame.
 */
import { BridgeError, BridgeRefusedError } from "../../src/errors.ts";
import { decodeEnvelope, encodeEnvelope, MAX_MESSAGES } from "./envelope.ts";
import {
  PROTOCOL_MAX,
  PROTOCOL_MIN,
  type ServerMessage,
  type ServerMessageOf,
  type WorkerMessage,
} from "./messages.ts";
import { type BridgeSocket, openSocket } from "./socket.ts";

/** Milliseconds without a heartbeat after which the server counts as lost; it sends one each second. */
export const SILENCE = 10_000;

/** Bytes of input after which a frame is closed; a single larger input has a frame of its own. */
const FRAME_BYTES = 4 * 1024 * 1024;

export interface SessionOptions {
  readonly endpoint: string;
  readonly build: string;
  readonly worker: string;
  readonly incarnation: string;
  /** Null where it can't be read. */
  readonly databaseSystemId: string | null;
  /** Milliseconds for the first answer. */
  readonly openTimeout: number;
  /** Milliseconds without a frame after which the server counts as lost; default `SILENCE`. */
  readonly silence?: number;
  /** Everything after the welcome. */
  readonly onMessage: (message: ServerMessage) => void;
  /** The session is over though nobody closed it. */
  readonly onLost: (error: BridgeError) => void;
}

export interface Welcome {
  readonly welcome: ServerMessageOf<"welcome">;
  readonly registry: ServerMessageOf<"registry">;
}

export class BridgeSession {
  readonly #options: SessionOptions;
  readonly #socket: BridgeSocket;
  readonly #opening = Promise.withResolvers<Welcome>();
  #state: "opening" | "open" | "closed" = "opening";
  #welcome: ServerMessageOf<"welcome"> | null = null;
  #protocol = PROTOCOL_MAX;
  #epoch: string | null = null;
  #sent = 0;
  #received = 0;
  #outbox: WorkerMessage[] = [];
  #sending = false;
  #watchdog: NodeJS.Timeout | null = null;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#socket = openSocket(options.endpoint, options.incarnation);
    // Settled by close() too, when nobody may be waiting for it.
    this.#opening.promise.catch(() => {});
  }

  /**
   * Says hello and waits for the answer.
   *
   * @throws BridgeRefusedError when the server refuses. @throws BridgeError when none answers in time.
   */
  async open(): Promise<Welcome> {
    const { build, worker, incarnation, databaseSystemId, openTimeout, endpoint } = this.#options;
    void this.#receive();
    this.#watch(openTimeout, `No server answered at ${endpoint} within ${openTimeout / 1000} s.`);
    this.send({
      type: "hello",
      protocol_min: PROTOCOL_MIN,
      protocol_max: PROTOCOL_MAX,
      build,
      worker,
      incarnation,
      database_system_id: databaseSystemId,
      capabilities: [],
    });
    return await this.#opening.promise;
  }

  /** Queues a message; it leaves with the others of this turn. */
  send(message: WorkerMessage): void {
    if (this.#state === "closed") return;
    this.#outbox.push(message);
    if (!this.#sending) {
      this.#sending = true;
      queueMicrotask(() => void this.#drain());
    }
  }

  /** Tells the server that the session ends, and lets go of the socket. */
  async close(reason: string): Promise<void> {
    if (this.#state === "closed") return;
    this.send({ type: "close", reason });
    await this.#drained();
    this.#end();
    this.#opening.reject(new BridgeError(`The session was closed before the server answered: ${reason}.`));
  }

  async #drained(): Promise<void> {
    while (this.#sending && this.#state !== "closed") await new Promise((resolve) => setImmediate(resolve));
    // Linger is 0: give the io thread a moment to write what is queued.
    await new Promise((resolve) => setTimeout(resolve, 20));
  }

  async #drain(): Promise<void> {
    try {
      while (this.#outbox.length > 0 && this.#state !== "closed") {
        const messages = this.#outbox.splice(0, frameful(this.#outbox));
        this.#sent += 1;
        await this.#socket.send(
          encodeEnvelope({
            protocol: this.#protocol,
            epoch: this.#epoch,
            seq: this.#sent,
            ack: this.#received,
            messages,
          }),
        );
      }
    } catch (error) {
      this.#lose(new BridgeError("A frame couldn't be sent: the sidecar doesn't read.", { cause: error }));
    } finally {
      this.#sending = false;
    }
  }

  async #receive(): Promise<void> {
    try {
      for await (const frame of this.#socket.frames()) this.#accept(frame);
    } catch (error) {
      this.#lose(
        error instanceof BridgeError ? error : new BridgeError("The bridge's socket failed.", { cause: error }),
      );
    }
  }

  #accept(frame: Uint8Array): void {
    const envelope = decodeEnvelope(frame);
    if (this.#epoch !== null && envelope.epoch !== this.#epoch)
      throw new BridgeError("A frame of another server's epoch came.");
    if (envelope.seq !== this.#received + 1) {
      throw new BridgeError(`Frame ${envelope.seq} came where ${this.#received + 1} was expected.`);
    }
    this.#received = envelope.seq;
    const { silence = SILENCE } = this.#options;
    this.#watch(silence, `The sidecar has been silent for ${silence / 1000} s.`);
    for (const message of envelope.messages) this.#take(message);
  }

  #take(message: ServerMessage): void {
    switch (message.type) {
      case "refused":
        throw new BridgeRefusedError(message.message);
      case "fault":
        throw new BridgeError(`The sidecar refused a frame: ${message.message} (${message.code}).`);
      case "welcome":
        if (message.protocol < PROTOCOL_MIN || message.protocol > PROTOCOL_MAX) throw noCommonProtocol(message);
        this.#epoch = message.epoch;
        this.#protocol = message.protocol;
        this.#welcome = message;
        return;
      case "registry":
        if (this.#welcome !== null && this.#state === "opening") {
          this.#state = "open";
          this.#opening.resolve({ welcome: this.#welcome, registry: message });
          return;
        }
        break;
    }
    this.#options.onMessage(message);
  }

  #watch(milliseconds: number, sentence: string): void {
    if (this.#watchdog !== null) clearTimeout(this.#watchdog);
    if (this.#state === "closed") return;
    this.#watchdog = setTimeout(() => this.#lose(new BridgeError(sentence)), milliseconds);
  }

  #lose(error: BridgeError): void {
    if (this.#state === "closed") return;
    const wasOpening = this.#state === "opening";
    this.#end();
    if (wasOpening) this.#opening.reject(error);
    else this.#options.onLost(error);
  }

  #end(): void {
    this.#state = "closed";
    if (this.#watchdog !== null) clearTimeout(this.#watchdog);
    this.#socket.close();
  }
}

/** How many of these messages make a frame: as many as stay well below the limits that the other side refuses at, at least one. */
function frameful(messages: readonly WorkerMessage[]): number {
  let bytes = 0;
  let count = 0;
  for (const message of messages) {
    bytes += message.type === "submit" ? message.input.byteLength : 0;
    if (count > 0 && (bytes > FRAME_BYTES || count === MAX_MESSAGES)) break;
    count += 1;
  }
  return count;
}

function noCommonProtocol({ protocol, build }: ServerMessageOf<"welcome">): BridgeRefusedError {
  return new BridgeRefusedError(
    `The sidecar (rayferry ${build}) chose protocol ${protocol}; this worker speaks ${PROTOCOL_MIN} to ${PROTOCOL_MAX}. Install the same version on both sides.`,
  );
}
