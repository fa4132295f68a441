import { Outgoing } from "./delivery.ts";
import { MAX_MESSAGES } from "./envelope.ts";
import type { Credit } from "./fields.ts";
import { LOOSE, type WorkerMessage } from "./messages.ts";

/** Bytes of input after which a frame is closed; a single larger input has a frame of its own. */
const FRAME_BYTES = 4 * 1024 * 1024;
/** What a message takes beside its input, at most. */
const MESSAGE_BYTES = 300;

type Numbered = Exclude<WorkerMessage, { type: "hello" | "authority" | "heartbeat" }>;

/** What goes into one frame; `seq` 0: nothing that the server has to acknowledge. */
export interface Batch {
  readonly seq: number;
  readonly messages: readonly WorkerMessage[];
}

/**
 * What is to leave, and in which order: frames that are sent again, then new messages as far as the server's credit goes, then what isn't numbered.
 * Numbered messages are kept until the server has consumed them.
 */
export class Outbox {
  readonly #outgoing = new Outgoing<Numbered>();
  #waiting: Numbered[] = [];
  #again: Batch[] = [];
  #loose: WorkerMessage[] = [];

  put(message: WorkerMessage): void {
    if (LOOSE.has(message.type)) this.#loose.push(message);
    else this.#waiting.push(message as Numbered);
  }

  /** Messages that wait for the server's credit, or for a connection. */
  get backlog(): number {
    return this.#waiting.length;
  }

  acknowledge(ack: number): void {
    this.#outgoing.acknowledge(ack);
  }

  /** A hello goes first: its answer says what is sent again, and what wasn't numbered was for the moment. */
  interrupt(): void {
    this.#again = [];
    this.#loose = [];
  }

  /** A new session, with what the server may have outstanding. */
  begin(credit: Credit): void {
    this.#outgoing.begin(credit);
  }

  /** A session goes on in which the server has received so much. */
  resume(received: number): void {
    this.#again = this.#outgoing.after(received);
  }

  /** The next frame's; null: nothing may leave now. `owesAck`: a frame has to leave though there is nothing to say. */
  next(owesAck: boolean): Batch | null {
    const again = this.#again.shift();
    if (again !== undefined) return again;
    const { count, bytes } = this.#frameful();
    if (count > 0) {
      const messages = this.#waiting.splice(0, count);
      return { seq: this.#outgoing.keep(messages, bytes), messages };
    }
    if (this.#loose.length === 0 && !owesAck) return null;
    return { seq: 0, messages: this.#loose.splice(0) };
  }

  /** How many of those that wait make the next frame: as many as stay below the limits, and as the credit allows. */
  #frameful(): { readonly count: number; readonly bytes: number } {
    let bytes = 0;
    let count = 0;
    for (const message of this.#waiting) {
      const size = MESSAGE_BYTES + sizeOf(message);
      if (count > 0 && (bytes + size > FRAME_BYTES || count === MAX_MESSAGES)) break;
      if (!this.#outgoing.fits(count + 1, bytes + size)) break;
      bytes += size;
      count += 1;
    }
    return { count, bytes };
  }
}

function sizeOf(message: Numbered): number {
  if (message.type === "submit") return message.input.byteLength;
  return "attempts" in message ? message.attempts.length * 50 : 0;
}
