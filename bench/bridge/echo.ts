import { randomUUID } from "node:crypto";
import { Packr, Unpackr } from "msgpackr";
import { Dealer } from "zeromq";
import { INPUT } from "./link.ts";

/** zeromq.js and msgpackr with nothing between: frames of as many messages as the link has in one, there and back. */
export class EchoDriver {
  readonly #dealer = new Dealer({ linger: 0, sendHighWaterMark: 0, receiveHighWaterMark: 0 });
  readonly #packr = new Packr({ useRecords: false });
  readonly #unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true });
  readonly #message = ["submit", randomUUID(), 1, 1, "noop", "application/json", INPUT, {}];
  readonly #decodes: boolean;

  constructor(endpoint: string, decodes: boolean) {
    this.#decodes = decodes;
    this.#dealer.connect(endpoint);
  }

  close(): void {
    this.#dealer.close();
  }

  /** Keeps two frames of half a window in flight for so long: how many messages crossed, both ways. */
  async flood(window: number, milliseconds: number): Promise<number> {
    const half = window / 2;
    const until = performance.now() + milliseconds;
    let messages = 0;
    await this.#send(half);
    await this.#send(half);
    for (let inFlight = 2; inFlight > 0; ) {
      messages += half + (await this.#receive(half));
      inFlight -= 1;
      if (performance.now() > until) continue;
      await this.#send(half);
      inFlight += 1;
    }
    return messages;
  }

  /** One message after another: microseconds there and back. */
  async pingPong(count: number): Promise<number[]> {
    const times: number[] = [];
    for (let each = 0; each < count; each += 1) {
      const began = performance.now();
      await this.#send(1);
      await this.#receive(1);
      times.push((performance.now() - began) * 1_000);
    }
    return times;
  }

  async #send(count: number): Promise<void> {
    const messages = Array.from({ length: count }, () => this.#message);
    await this.#dealer.send(new Uint8Array(this.#packr.pack([1, "epoch", 1, 0, messages])));
  }

  async #receive(count: number): Promise<number> {
    const [frame] = await this.#dealer.receive();
    if (!this.#decodes || frame === undefined) return count;
    return (this.#unpackr.unpack(frame) as [number, string, number, number, unknown[]])[4].length;
  }
}
