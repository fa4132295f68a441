import { randomUUID } from "node:crypto";
import type { ServerMessage } from "../../bridge/src/messages.ts";
import { BridgeSession } from "../../bridge/src/session.ts";

/** Milliseconds between submits: enough of them that each fault hits some on their way. */
const EVERY = 5;

/** A worker in miniature: submits one attempt after another, and notes what comes back. */
export class BridgeStream {
  /** How many results each attempt got, by its fence. */
  readonly results = new Map<number, number>();
  /** Moments of `performance.now()`. */
  lastResultAt = 0;
  lostAt: number | null = null;
  lost = "";
  submitted = 0;
  /** What the server's last heartbeat said that it holds. */
  held = -1;
  readonly #session: BridgeSession;
  #timer: NodeJS.Timeout | null = null;

  constructor(endpoint: string) {
    this.#session = new BridgeSession({
      endpoint,
      build: "0",
      worker: "stream",
      incarnation: randomUUID(),
      database: null,
      openTimeout: 10_000,
      onMessage: (message) => this.#take(message),
      onLost: (error) => {
        this.lostAt = performance.now();
        this.lost = error.message;
        this.pause();
      },
    });
  }

  async start(): Promise<void> {
    await this.#session.open();
    this.#timer = setInterval(() => this.#submit(), EVERY);
  }

  /** Submits no more. */
  pause(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
  }

  /** Every submit has its result, and the server knows that it is recorded. */
  get isComplete(): boolean {
    return this.results.size === this.submitted && this.held === 0;
  }

  async close(): Promise<void> {
    this.pause();
    await this.#session.close("the stream ends", false);
  }

  #submit(): void {
    this.submitted += 1;
    this.#session.send({
      type: "submit",
      execution: randomUUID(),
      fence: this.submitted,
      attempt: 1,
      task: "sample.add",
      content_type: "application/json",
      input: Buffer.from(`{"a": ${this.submitted}}`),
      timeout_seconds: null,
      timeout_grace_seconds: 0,
      options: {},
    });
  }

  #take(message: ServerMessage): void {
    if (message.type === "heartbeat") {
      this.held = message.running + message.unrecorded;
      this.#session.send({ type: "authority", tick: message.tick });
    }
    if (message.type !== "result") return;
    const expected = message.fence + 2;
    if (Buffer.from(message.value ?? []).toString() !== String(expected))
      throw new Error(`Attempt ${message.fence} has the result of another one.`);
    this.results.set(message.fence, (this.results.get(message.fence) ?? 0) + 1);
    this.lastResultAt = performance.now();
    this.#session.send({ type: "recorded", attempts: [[message.execution, message.fence]] });
  }
}
