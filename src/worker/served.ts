import type { ServerMessage, WorkerMessage } from "../../bridge/src/index.ts";
import type { ServerAttempts } from "./server-attempts.ts";

/** A server that this incarnation has a session with: the one that it submits to, or one that it drains. */
export class Served {
  readonly attempts: ServerAttempts;
  readonly #send: (message: WorkerMessage) => void;
  /** How long the server's authority lasts from a tick that is echoed. */
  readonly authoritySeconds: number;
  /** False while it wants no more work. */
  accepting = true;
  #tick: number;
  #echoed: number | null = null;

  constructor(
    attempts: ServerAttempts,
    welcome: { readonly tick: number; readonly authority_seconds: number },
    send: (message: WorkerMessage) => void,
  ) {
    this.attempts = attempts;
    this.authoritySeconds = welcome.authority_seconds;
    this.#tick = welcome.tick;
    this.#send = send;
  }

  get server(): string {
    return this.attempts.server;
  }

  take(message: ServerMessage): void {
    if (message.type === "heartbeat") {
      this.#tick = message.tick;
      this.accepting = message.accepting;
    } else {
      this.attempts.take(message);
    }
  }

  /** The newest tick, unless it was echoed before: it has to have come before the lease is renewed. */
  newTick(): number | null {
    return this.#tick === this.#echoed ? null : this.#tick;
  }

  /** After the commit that renewed the lease. */
  echo(tick: number): void {
    this.#echoed = tick;
    this.#send({ type: "authority", tick });
  }
}
