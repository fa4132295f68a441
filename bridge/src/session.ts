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
import { BridgeError } from "../../src/errors.ts";
import { Incoming } from "./delivery.ts";
import { decodeEnvelope, type Envelope, encodeEnvelope } from "./envelope.ts";
import { faulted, makeHello, WORKER_CREDIT, welcomeIn } from "./hello.ts";
import { Inventories, type InventoryEntry } from "./inventories.ts";
import { PROTOCOL_MAX, type ServerMessage, type ServerMessageOf, type WorkerMessage } from "./messages.ts";
import { type Batch, Outbox } from "./outbox.ts";
import { type SessionOptions, SILENCE } from "./session-options.ts";
import { explainSilence } from "./silence.ts";
import { SilenceWatch } from "./silence-watch.ts";
import { type BridgeSocket, openSocket } from "./socket.ts";

/** Milliseconds between heartbeats. */
const HEARTBEAT = 1_000;
/** Milliseconds from a send that failed on a connection that stands to the next hello. */
const GREET_AGAIN = 200;
export interface Welcome {
  readonly welcome: ServerMessageOf<"welcome">;
  readonly registry: ServerMessageOf<"registry">;
  /** Everything that the server holds, for whichever incarnation. */
  readonly inventory: readonly InventoryEntry[];
}

export class BridgeSession {
  readonly #options: SessionOptions;
  readonly #socket: BridgeSocket;
  readonly #opening = Promise.withResolvers<Welcome>();
  readonly #outbox = new Outbox();
  readonly #incoming = new Incoming(WORKER_CREDIT);
  readonly #inventories = new Inventories();
  #state: "connecting" | "greeting" | "talking" | "closed" = "connecting";
  #hello = 0;
  #helloDue = false;
  #welcome: ServerMessageOf<"welcome"> | null = null;
  #registry: ServerMessageOf<"registry"> | null = null;
  #isOpen = false;
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
    this.#outbox.put(message);
    this.#pumpSoon();
  }

  /**
   * What the server holds now.
   *
   * @throws BridgeError when the session ends before the answer.
   */
  inventory(): Promise<readonly InventoryEntry[]> {
    if (this.#state === "closed") return Promise.reject(new BridgeError("The session is over."));
    this.send({ type: "inventory" });
    return this.#inventories.ask();
  }

  /** Messages that wait for the server's credit, or for a connection. */
  get backlog(): number {
    return this.#outbox.backlog;
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
    this.#outbox.interrupt();
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
      const resume = this.#welcome === null ? null : ([this.#welcome.session, this.#incoming.received] as const);
      return this.#frame({ seq: 0, messages: [makeHello(this.#options, this.#hello, resume)] });
    }
    if (this.#state !== "talking") return null;
    const batch = this.#outbox.next(this.#incoming.owesAck);
    return batch === null ? null : this.#frame(batch);
  }

  #frame({ seq, messages }: Batch): Envelope<WorkerMessage> {
    const epoch = this.#welcome?.epoch ?? null;
    const isHello = messages[0]?.type === "hello";
    const protocol = isHello ? PROTOCOL_MAX : (this.#welcome?.protocol ?? PROTOCOL_MAX);
    return { protocol, epoch, seq, ack: isHello ? 0 : this.#incoming.ack(), messages };
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
    this.#outbox.acknowledge(envelope.ack);
    if (envelope.seq > 0) {
      const arrival = this.#incoming.take(envelope.seq, envelope.messages.length, bytes.byteLength);
      if (arrival === "gap") this.#greet();
      if (arrival !== "next") return;
    }
    for (const message of envelope.messages) this.#take(message);
    // Acknowledged frames make room for others, and a full inbox owes an answer.
    if (this.#outbox.backlog > 0 || this.#incoming.owesAck) this.#pumpSoon();
  }

  /** Of what comes between a hello and its answer, only that answer counts. */
  #takeAnswer(message: ServerMessage, epoch: string | null): void {
    const welcome = welcomeIn(message, this.#hello, epoch);
    if (welcome === null) return;
    if (welcome.resumed) {
      this.#outbox.resume(welcome.received);
    } else if (this.#isOpen) {
      throw new BridgeError("The server has forgotten the session: what it holds has to be compared with Postgres.");
    } else {
      this.#outbox.begin(welcome.credit);
      this.#incoming.begin();
      this.#registry = null;
      this.#inventories.begin();
    }
    this.#welcome = welcome;
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
        this.#takeInventory(message);
        return;
      default:
        this.#options.onMessage(message);
    }
  }

  #takeInventory(part: ServerMessageOf<"inventory">): void {
    const inventory = this.#inventories.add(part);
    if (inventory === null) return;
    if (this.#isOpen) {
      this.#inventories.answer(inventory);
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
    this.#inventories.end();
    this.#watch.stop();
    for (const timer of [this.#heartbeat, this.#greetAgain]) if (timer !== null) clearTimeout(timer);
    this.#socket.close();
  }
}
