/**
 * A worker's side of one session with one server (PROTOCOL.md), over as many connections as it takes.
 *
 *   connecting ── connected: hello ─► greeting ── welcome ─► talking ── close() ─► closed
 *       ▲                                ▲                      │
 *       └──────── disconnected ──────────┴── gap, failed send ──┘
 *   refused, fault, silence, another epoch, a session that the server has forgotten ─► lost (told once, by `onLost`)
 *
 * Messages of one event-loop turn go in one frame. Numbered ones are kept until the server has consumed them.
 */
import { BridgeError, BridgeRefusedError } from "../../src/errors.ts";
import { Incoming, Outgoing } from "./delivery.ts";
import { decodeEnvelope, type Envelope, encodeEnvelope, MAX_MESSAGES } from "./envelope.ts";
import type { Credit, Phase } from "./fields.ts";
import type { CurveOptions } from "./keys.ts";
import {
  type DatabaseIdentity,
  LOOSE,
  PROTOCOL_MAX,
  PROTOCOL_MIN,
  type ServerMessage,
  type ServerMessageOf,
  type WorkerMessage,
} from "./messages.ts";
import { explainSilence } from "./silence.ts";
import { SilenceWatch } from "./silence-watch.ts";
import { type BridgeSocket, openSocket } from "./socket.ts";

/** Milliseconds without a frame after which the server counts as lost; it sends one each second. */
export const SILENCE = 10_000;
/** Milliseconds between heartbeats. */
const HEARTBEAT = 1_000;
/** Milliseconds from a send that failed on a connection that stands to the next hello. */
const GREET_AGAIN = 200;
/** What the server may have outstanding. */
export const WORKER_CREDIT: Credit = { messages: 10_000, bytes: 16 * 1024 * 1024 };

/** Bytes of input after which a frame is closed; a single larger input has a frame of its own. */
const FRAME_BYTES = 4 * 1024 * 1024;
/** What a message takes beside its input, at most. */
const MESSAGE_BYTES = 300;

export interface SessionOptions {
  readonly endpoint: string;
  readonly build: string;
  readonly worker: string;
  readonly incarnation: string;
  /** `drain` adopts what dead workers left and submits nothing; default `submit`. */
  readonly role?: "submit" | "drain";
  /** Incarnations that are known to be dead: their sessions end. */
  readonly replaces?: readonly string[];
  /** Null where it can't be read. */
  readonly database: DatabaseIdentity | null;
  readonly curve?: CurveOptions | null;
  /** Milliseconds for the first answer; null: as long as it takes. */
  readonly openTimeout: number | null;
  /** Milliseconds without a frame after which the server counts as lost; default `SILENCE`. */
  readonly silence?: number;
  /** Attempts held at this server, for the heartbeats. */
  readonly held?: () => number;
  /** Everything after the inventory. */
  readonly onMessage: (message: ServerMessage) => void;
  /** The session is over though nobody closed it. */
  readonly onLost: (error: BridgeError) => void;
  /** What carries the frames; default ZeroMQ. Tests put a network in its place that does as they say. */
  readonly openSocket?: typeof openSocket;
}

export interface InventoryEntry {
  readonly id: string;
  readonly fence: number;
  readonly holder: string;
  readonly phase: Phase;
}

export interface Welcome {
  readonly welcome: ServerMessageOf<"welcome">;
  readonly registry: ServerMessageOf<"registry">;
  /** Everything that the server holds, for whichever incarnation. */
  readonly inventory: readonly InventoryEntry[];
}

type Numbered = Exclude<WorkerMessage, { type: "hello" | "authority" | "heartbeat" }>;

export class BridgeSession {
  readonly #options: SessionOptions;
  readonly #socket: BridgeSocket;
  readonly #opening = Promise.withResolvers<Welcome>();
  readonly #outgoing = new Outgoing<Numbered>();
  readonly #incoming = new Incoming(WORKER_CREDIT);
  #state: "connecting" | "greeting" | "talking" | "closed" = "connecting";
  #hello = 0;
  #helloDue = false;
  #welcome: ServerMessageOf<"welcome"> | null = null;
  #registry: ServerMessageOf<"registry"> | null = null;
  #inventory: InventoryEntry[] = [];
  #isOpen = false;
  readonly #asked: PromiseWithResolvers<readonly InventoryEntry[]>[] = [];
  #outbox: Numbered[] = [];
  #again: { readonly seq: number; readonly messages: readonly Numbered[] }[] = [];
  #loose: WorkerMessage[] = [];
  #isPumping = false;
  #pumpDue = false;
  readonly #watch = new SilenceWatch(() => this.#silent());
  /** What it means when the watch goes off. */
  #silence = "";
  #heartbeat: NodeJS.Timeout | null = null;
  #greetAgain: NodeJS.Timeout | null = null;

  constructor(options: SessionOptions) {
    this.#options = options;
    const { endpoint, incarnation, curve = null, openSocket: open = openSocket } = options;
    // Settled by close() too, when nobody may be waiting for it.
    this.#opening.promise.catch(() => {});
    this.#socket = open(
      { endpoint, routingId: incarnation, curve },
      {
        onConnected: () => this.#greet(),
        onDisconnected: () => this.#disconnected(),
        onRefused: (error) => this.#lose(error),
      },
    );
    void this.#receive();
  }

  /**
   * Waits for the server's welcome, its registry and its inventory.
   *
   * @throws BridgeRefusedError when the server refuses. @throws BridgeError when none answers in time.
   */
  async open(): Promise<Welcome> {
    const { openTimeout, endpoint } = this.#options;
    if (openTimeout !== null) {
      this.#silence = `No server answered at ${endpoint} within ${openTimeout / 1000} s`;
      this.#watch.start(openTimeout);
    }
    return await this.#opening.promise;
  }

  /** Queues a message; it leaves with the others of this turn. */
  send(message: WorkerMessage): void {
    if (this.#state === "closed") return;
    if (LOOSE.has(message.type)) this.#loose.push(message);
    else this.#outbox.push(message as Numbered);
    this.#pumpSoon();
  }

  /**
   * What the server holds now.
   *
   * @throws BridgeError when the session ends before the answer.
   */
  inventory(): Promise<readonly InventoryEntry[]> {
    const asked = Promise.withResolvers<readonly InventoryEntry[]>();
    if (this.#state === "closed") {
      asked.reject(new BridgeError("The session is over."));
    } else {
      this.send({ type: "inventory" });
      this.#asked.push(asked);
    }
    return asked.promise;
  }

  /** Messages that wait for the server's credit, or for a connection. */
  get backlog(): number {
    return this.#outbox.length;
  }

  /** While held, what comes isn't acknowledged, and the server stands still once its credit is used up. */
  hold(isHeld: boolean): void {
    this.#incoming.hold(isHeld);
    if (!isHeld && this.#state === "talking") this.#pumpSoon();
  }

  /** Ends the session, with `stop` the server too, and lets go of the socket. */
  async close(reason: string, stop: boolean): Promise<void> {
    if (this.#state === "closed") return;
    this.send({ type: "close", reason, stop });
    await this.#drained();
    this.#end();
    this.#opening.reject(new BridgeError(`The session was closed before the server answered: ${reason}.`));
  }

  /** Until everything is sent, where the server is there to take it. */
  async #drained(): Promise<void> {
    while ((this.#isPumping || this.#pumpDue) && this.#state === "talking")
      await new Promise((resolve) => setImmediate(resolve));
    // Linger is 0: give the io thread a moment to write what is queued.
    await new Promise((resolve) => setTimeout(resolve, 20));
  }

  #greet(): void {
    if (this.#state === "closed") return;
    this.#state = "greeting";
    this.#helloDue = true;
    this.#hello += 1;
    this.#again = [];
    this.#loose = [];
    this.#pumpSoon();
  }

  #disconnected(): void {
    if (this.#state !== "closed") this.#state = "connecting";
  }

  #pumpSoon(): void {
    if (this.#pumpDue) return;
    this.#pumpDue = true;
    queueMicrotask(() => {
      this.#pumpDue = false;
      void this.#pump();
    });
  }

  /** Sends what may be sent, one frame after the other. */
  async #pump(): Promise<void> {
    if (this.#isPumping) return;
    this.#isPumping = true;
    try {
      for (let frame = this.#nextFrame(); frame !== null; frame = this.#nextFrame()) {
        await this.#socket.send(encodeEnvelope(frame));
      }
    } catch {
      // What was in the frame is kept, and resuming sends it again. A connection that is gone says so by itself.
      if (this.#greetAgain !== null) clearTimeout(this.#greetAgain);
      if (this.#state !== "closed")
        this.#greetAgain = setTimeout(() => this.#state !== "connecting" && this.#greet(), GREET_AGAIN);
    } finally {
      this.#isPumping = false;
    }
  }

  #nextFrame(): Envelope<WorkerMessage> | null {
    if (this.#state === "greeting" && this.#helloDue) {
      this.#helloDue = false;
      return this.#frame(0, [this.#makeHello()]);
    }
    if (this.#state !== "talking") return null;
    const again = this.#again.shift();
    if (again !== undefined) return this.#frame(again.seq, again.messages);
    const { count, bytes } = frameful(this.#outbox, (messages, size) => this.#outgoing.fits(messages, size));
    if (count > 0) {
      const messages = this.#outbox.splice(0, count);
      return this.#frame(this.#outgoing.keep(messages, bytes), messages);
    }
    if (this.#loose.length === 0 && !this.#incoming.owesAck) return null;
    return this.#frame(0, this.#loose.splice(0));
  }

  #frame(seq: number, messages: readonly WorkerMessage[]): Envelope<WorkerMessage> {
    const epoch = this.#welcome?.epoch ?? null;
    const isHello = messages[0]?.type === "hello";
    const protocol = isHello ? PROTOCOL_MAX : (this.#welcome?.protocol ?? PROTOCOL_MAX);
    return { protocol, epoch, seq, ack: isHello ? 0 : this.#incoming.ack(), messages };
  }

  #makeHello(): WorkerMessage {
    const { build, worker, incarnation, role = "submit", replaces = [], database } = this.#options;
    const resume = this.#welcome === null ? null : ([this.#welcome.session, this.#incoming.received] as const);
    return {
      type: "hello",
      protocol_min: PROTOCOL_MIN,
      protocol_max: PROTOCOL_MAX,
      build,
      worker,
      incarnation,
      hello: this.#hello,
      role,
      replaces,
      resume,
      database,
      credit: WORKER_CREDIT,
      capabilities: [],
    };
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

  #accept(bytes: Uint8Array): void {
    const envelope = decodeEnvelope(bytes);
    if (this.#welcome !== null && envelope.epoch !== this.#welcome.epoch)
      throw new BridgeError("Another server answers at this address: the one of this session is gone.");
    if (this.#isOpen) this.#watch.heard();
    if (this.#state === "greeting") {
      for (const message of envelope.messages) this.#takeAnswer(message, envelope.epoch);
      return;
    }
    if (this.#state !== "talking") return;
    if (envelope.protocol !== this.#welcome?.protocol)
      throw new BridgeError(`A frame of protocol ${envelope.protocol} came; ${this.#welcome?.protocol} was agreed on.`);
    this.#outgoing.acknowledge(envelope.ack);
    if (envelope.seq > 0) {
      const arrival = this.#incoming.take(envelope.seq, envelope.messages.length, bytes.byteLength);
      if (arrival === "gap") this.#greet();
      if (arrival !== "next") return;
    }
    for (const message of envelope.messages) this.#take(message);
    // Acknowledged frames make room for others, and a full inbox owes an answer.
    if (this.#outbox.length > 0 || this.#incoming.owesAck) this.#pumpSoon();
  }

  /** Of what comes between a hello and its answer, only that answer counts. */
  #takeAnswer(message: ServerMessage, epoch: string | null): void {
    if (message.type === "fault") throw faulted(message);
    if (message.type === "refused" && message.hello === this.#hello)
      throw new BridgeRefusedError(message.code, message.message, epoch);
    if (message.type !== "welcome" || message.hello !== this.#hello) return;
    if (message.protocol < PROTOCOL_MIN || message.protocol > PROTOCOL_MAX) throw noCommonProtocol(message);
    if (message.resumed) {
      this.#again = this.#outgoing.after(message.received);
    } else if (this.#isOpen) {
      throw new BridgeError("The server has forgotten the session: what it holds has to be compared with Postgres.");
    } else {
      this.#outgoing.begin(message.credit);
      this.#incoming.begin();
      this.#registry = null;
      this.#inventory = [];
    }
    this.#welcome = message;
    this.#state = "talking";
    // Somebody is there: what follows the welcome isn't waited for without an end.
    if (!this.#isOpen && this.#options.openTimeout === null) this.#watchSilence();
    this.#heartbeat ??= setInterval(() => this.#beat(), HEARTBEAT);
    this.#beat();
  }

  #take(message: ServerMessage): void {
    switch (message.type) {
      case "fault":
        throw faulted(message);
      case "gap":
        this.#greet();
        return;
      case "welcome":
      case "refused":
        return;
      case "registry":
        this.#registry = message;
        return;
      case "inventory":
        this.#addInventory(message);
        return;
      default:
        this.#options.onMessage(message);
    }
  }

  #addInventory({ attempts, last }: ServerMessageOf<"inventory">): void {
    for (const [id, fence, holder, phase] of attempts) this.#inventory.push({ id, fence, holder, phase });
    if (!last) return;
    const inventory = this.#inventory;
    this.#inventory = [];
    if (this.#isOpen) {
      this.#asked.shift()?.resolve(inventory);
      return;
    }
    if (this.#welcome === null || this.#registry === null)
      throw new BridgeError("An inventory came before the registry.");
    this.#isOpen = true;
    this.#watchSilence();
    this.#opening.resolve({ welcome: this.#welcome, registry: this.#registry, inventory });
  }

  #beat(): void {
    if (this.#state === "talking") this.send({ type: "heartbeat", held: this.#options.held?.() ?? 0 });
  }

  #watchSilence(): void {
    const { silence = SILENCE, endpoint } = this.#options;
    this.#silence = `The server at ${endpoint} has been silent for ${silence / 1000} s`;
    this.#watch.start(silence);
  }

  #silent(): void {
    const why = explainSilence(this.#socket.reach, this.#options.endpoint, this.#welcome?.pid ?? null);
    this.#lose(new BridgeError(`${this.#silence}: ${why}`));
  }

  #lose(error: BridgeError): void {
    if (this.#state === "closed") return;
    this.#end();
    if (this.#isOpen) this.#options.onLost(error);
    else this.#opening.reject(error);
  }

  #end(): void {
    this.#state = "closed";
    for (const asked of this.#asked.splice(0)) asked.reject(new BridgeError("The session is over."));
    this.#watch.stop();
    for (const timer of [this.#heartbeat, this.#greetAgain]) if (timer !== null) clearTimeout(timer);
    this.#socket.close();
  }
}

/** How many of these messages make the next frame: as many as stay below the limits, and as the credit allows. */
function frameful(
  messages: readonly Numbered[],
  fits: (messages: number, bytes: number) => boolean,
): { readonly count: number; readonly bytes: number } {
  let bytes = 0;
  let count = 0;
  for (const message of messages) {
    const size = MESSAGE_BYTES + sizeOf(message);
    if (count > 0 && (bytes + size > FRAME_BYTES || count === MAX_MESSAGES)) break;
    if (!fits(count + 1, bytes + size)) break;
    bytes += size;
    count += 1;
  }
  return { count, bytes };
}

function sizeOf(message: Numbered): number {
  if (message.type === "submit") return message.input.byteLength;
  return "attempts" in message ? message.attempts.length * 50 : 0;
}

function faulted({ message, code }: ServerMessageOf<"fault">): BridgeError {
  return new BridgeError(`The server refused a frame: ${message} (${code}).`);
}

function noCommonProtocol({ protocol, build }: ServerMessageOf<"welcome">): BridgeRefusedError {
  return new BridgeRefusedError(
    "PROTOCOL_MISMATCH",
    `The server (rayferry ${build}) chose protocol ${protocol}; this worker speaks ${PROTOCOL_MIN} to ${PROTOCOL_MAX}. Install the same version on both sides.`,
  );
}
