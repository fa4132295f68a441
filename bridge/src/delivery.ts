/** The numbers of one session, each direction by itself: what is outstanding, what is sent again, when to acknowledge. */
import { BridgeError } from "../../src/errors.ts";
import type { Credit } from "./fields.ts";

interface Kept<Message> {
  readonly seq: number;
  readonly messages: readonly Message[];
  readonly size: number;
}

/** What this side has sent, kept until the other side has consumed it. */
export class Outgoing<Message> {
  #sent = 0;
  #credit: Credit = { messages: 1, bytes: 1 };
  /** In order; those before `#first` are acknowledged. An array that is shifted moves all the others. */
  #kept: Kept<Message>[] = [];
  #first = 0;
  #messages = 0;
  #bytes = 0;

  get sent(): number {
    return this.#sent;
  }

  get outstanding(): Credit {
    return { messages: this.#messages, bytes: this.#bytes };
  }

  /** A new session: numbers begin anew. */
  begin(credit: Credit): void {
    this.#sent = this.#messages = this.#bytes = this.#first = 0;
    this.#kept = [];
    this.#credit = credit;
  }

  /** Whether a frame of this size may go out now. */
  fits(messages: number, bytes: number): boolean {
    if (messages === 1 && this.#first === this.#kept.length) return true;
    return this.#messages + messages <= this.#credit.messages && this.#bytes + bytes <= this.#credit.bytes;
  }

  /** The number of the next frame. */
  keep(messages: readonly Message[], size: number): number {
    this.#sent += 1;
    this.#kept.push({ seq: this.#sent, messages, size });
    this.#messages += messages.length;
    this.#bytes += size;
    return this.#sent;
  }

  /** @throws BridgeError for what was never sent. */
  acknowledge(ack: number): void {
    if (ack > this.#sent)
      throw new BridgeError(`The server acknowledged frame ${ack}, but ${this.#sent} was the last one sent.`);
    for (let next = this.#kept[this.#first]; next !== undefined && next.seq <= ack; next = this.#kept[this.#first]) {
      this.#messages -= next.messages.length;
      this.#bytes -= next.size;
      this.#first += 1;
    }
    if (this.#first > 1_000 || this.#first === this.#kept.length) {
      this.#kept.splice(0, this.#first);
      this.#first = 0;
    }
  }

  /** What the other side hasn't received, to be sent again. */
  after(received: number): Kept<Message>[] {
    return this.#kept.slice(this.#first).filter((each) => each.seq > received);
  }
}

/** What this side has received. It consumes at once, unless held. */
export class Incoming {
  readonly #credit: Credit;
  #received = 0;
  #consumed = 0;
  #messages = 0;
  #bytes = 0;
  #isHeld = false;

  constructor(credit: Credit) {
    this.#credit = credit;
  }

  get received(): number {
    return this.#received;
  }

  begin(): void {
    this.#received = this.#consumed = this.#messages = this.#bytes = 0;
  }

  take(seq: number, messages: number, bytes: number): "next" | "duplicate" | "gap" {
    if (seq <= this.#received) return "duplicate";
    if (seq > this.#received + 1) return "gap";
    this.#received = seq;
    this.#messages += messages;
    this.#bytes += bytes;
    return "next";
  }

  /** While held, nothing counts as consumed: the other side stands still when its credit is used up. */
  hold(isHeld: boolean): void {
    this.#isHeld = isHeld;
  }

  /** The number to acknowledge in a frame that goes out now. */
  ack(): number {
    if (!this.#isHeld) {
      this.#consumed = this.#received;
      this.#messages = this.#bytes = 0;
    }
    return this.#consumed;
  }

  /** A quarter of the credit is consumed and not acknowledged: the other side might soon stand still. */
  get owesAck(): boolean {
    if (this.#isHeld) return false;
    return this.#messages * 4 >= this.#credit.messages || this.#bytes * 4 >= this.#credit.bytes;
  }
}
