import { decodeWorkerEnvelope, encodeServerEnvelope } from "../../bridge/src/envelope.ts";
import type { ServerMessage, WorkerMessage } from "../../bridge/src/messages.ts";
import { EPOCH, INVENTORY, REGISTRY, WELCOME } from "./router-peer.ts";

/** A server's side of a session by the page, with none of the code under test but the codec. */
export class ModelServer {
  /** Of numbered messages, in the order in which they counted. */
  readonly heard: WorkerMessage[] = [];
  readonly #credit: number;
  readonly #transmit: (frame: Uint8Array) => void;
  readonly #kept = new Map<number, readonly ServerMessage[]>();
  #session = 0;
  #sent = 0;
  #received = 0;
  #consumed = 0;
  /** Messages received and not acknowledged yet: what the worker has outstanding, or less. */
  #unacknowledged = 0;
  #isGreeted = false;

  constructor(credit: number, transmit: (frame: Uint8Array) => void) {
    this.#credit = credit;
    this.#transmit = transmit;
  }

  /** A connection ends. */
  detach(): void {
    this.#isGreeted = false;
  }

  say(...messages: readonly ServerMessage[]): void {
    this.#sent += 1;
    this.#kept.set(this.#sent, messages);
    if (this.#isGreeted) this.#frame(this.#sent, messages);
  }

  acknowledge(): void {
    this.#consumed = this.#received;
    this.#unacknowledged = 0;
    if (this.#isGreeted) this.#frame(0, []);
  }

  get isAtRest(): boolean {
    return this.#isGreeted && this.#kept.size === 0 && this.#consumed === this.#received;
  }

  take(frame: Uint8Array): void {
    const { seq, ack, messages } = decodeWorkerEnvelope(frame);
    const [first] = messages;
    if (first?.type === "hello") {
      this.#greet(first);
      return;
    }
    if (!this.#isGreeted) throw new Error("The worker spoke before it was greeted.");
    if (ack > this.#sent) throw new Error(`The worker acknowledged ${ack}, of ${this.#sent} sent.`);
    for (const each of this.#kept.keys()) if (each <= ack) this.#kept.delete(each);
    if (seq > this.#received + 1) this.#frame(0, [{ type: "gap", received: this.#received }]);
    if (seq !== this.#received + 1) return;
    this.#received = seq;
    this.#unacknowledged += messages.length;
    if (this.#unacknowledged > this.#credit && messages.length > 1)
      throw new Error(`${this.#unacknowledged} messages are outstanding, more than the credit of ${this.#credit}.`);
    this.heard.push(...messages);
  }

  #greet(hello: WorkerMessage & { type: "hello" }): void {
    const resumed = hello.resume !== null && hello.resume[0] === `session ${this.#session}`;
    if (!resumed) {
      this.#session += 1;
      this.#sent = this.#received = this.#consumed = this.#unacknowledged = 0;
      this.#kept.clear();
    }
    this.#isGreeted = true;
    const credit = { messages: this.#credit, bytes: 1 << 20 };
    const session = `session ${this.#session}`;
    this.#frame(0, [{ ...WELCOME, hello: hello.hello, session, resumed, received: this.#received, credit }]);
    const after = hello.resume?.[1] ?? 0;
    if (!resumed) this.say(REGISTRY, INVENTORY);
    else for (const [seq, messages] of this.#kept) if (seq > after) this.#frame(seq, messages);
  }

  #frame(seq: number, messages: readonly ServerMessage[]): void {
    this.#transmit(encodeServerEnvelope({ protocol: 1, epoch: EPOCH, seq, ack: this.#consumed, messages }));
  }
}
