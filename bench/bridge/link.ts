import { randomUUID } from "node:crypto";
import type { ServerMessage, WorkerMessage } from "../../bridge/src/messages.ts";
import { BridgeSession } from "../../bridge/src/session.ts";

export const INPUT = Buffer.from(JSON.stringify({ customer: "3f1c", amount: 1234, note: "x".repeat(60) }));

/** A session that submits no-ops and says of each result that it is recorded, as a worker does. */
export class LinkDriver {
  /** Protocol messages that crossed, both ways. */
  messages = 0;
  readonly #session: BridgeSession;
  readonly #ids = Array.from({ length: 4_096 }, () => randomUUID());
  #fence = 0;
  #recorded: [string, number][] = [];
  #onResults: (count: number) => void = () => {};
  #results = 0;
  #isDue = false;

  constructor(endpoint: string) {
    this.#session = new BridgeSession({
      endpoint,
      build: "bench",
      worker: "bench",
      incarnation: randomUUID(),
      database: null,
      openTimeout: 10_000,
      onMessage: (message) => this.#take(message),
      onLost: (error) => {
        throw error;
      },
    });
  }

  async open(): Promise<void> {
    await this.#session.open();
  }

  async close(): Promise<void> {
    await this.#session.close("done", true);
  }

  /** Keeps up to `window` attempts in flight for so long: how many messages crossed. */
  async flood(window: number, milliseconds: number): Promise<number> {
    const half = window / 2;
    let inFlight = 0;
    const before = this.messages;
    const until = performance.now() + milliseconds;
    const done = Promise.withResolvers<void>();
    this.#onResults = (count) => {
      inFlight -= count;
      this.#record();
      if (performance.now() > until) {
        if (inFlight === 0) done.resolve();
        return;
      }
      if (inFlight > half) return;
      for (let each = 0; each < half; each += 1) this.#submit();
      inFlight += half;
    };
    // Two frames of half a window, as with the echo: one is under way while the other is worked on.
    this.#onResults(0);
    await new Promise(setImmediate);
    this.#onResults(0);
    await done.promise;
    return this.messages - before;
  }

  /** One after another: microseconds from each submit to its result. */
  async pingPong(count: number): Promise<number[]> {
    const times: number[] = [];
    for (let each = 0; each < count; each += 1) {
      const result = Promise.withResolvers<void>();
      this.#onResults = () => result.resolve();
      const began = performance.now();
      this.#submit();
      await result.promise;
      times.push((performance.now() - began) * 1_000);
      this.#record();
    }
    return times;
  }

  #submit(): void {
    this.#fence += 1;
    this.#send({
      type: "submit",
      execution: this.#ids[this.#fence % this.#ids.length] ?? "",
      fence: this.#fence,
      attempt: 1,
      task: "noop",
      content_type: "application/json",
      input: INPUT,
      timeout_seconds: null,
      timeout_grace_seconds: 0,
      options: {},
    });
  }

  #record(): void {
    if (this.#recorded.length === 0) return;
    this.#send({ type: "recorded", attempts: this.#recorded });
    this.#recorded = [];
  }

  #send(message: WorkerMessage): void {
    this.messages += 1;
    this.#session.send(message);
  }

  #take(message: ServerMessage): void {
    this.messages += 1;
    if (message.type === "heartbeat") this.#session.send({ type: "authority", tick: message.tick });
    if (message.type !== "result") return;
    this.#recorded.push([message.execution, message.fence]);
    this.#results += 1;
    if (this.#isDue) return;
    this.#isDue = true;
    // Once a frame: its messages come one after the other.
    queueMicrotask(() => {
      this.#isDue = false;
      this.#onResults(this.#results);
      this.#results = 0;
    });
  }
}
