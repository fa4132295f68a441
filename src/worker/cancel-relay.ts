import type { WorkerMessage } from "../../bridge/src/index.ts";
import type { HeldAttempts } from "./held.ts";

export interface CancelRelayOptions {
  readonly held: HeldAttempts;
  readonly send: (message: WorkerMessage) => void;
  /** Seconds from the interrupt to the kill. */
  readonly graceSeconds: number;
}

/** Passes the users' cancels on to the server, each once: told by notification, and by every beat should that be lost. */
export class CancelRelay {
  readonly #options: CancelRelayOptions;

  constructor(options: CancelRelayOptions) {
    this.#options = options;
  }

  passOn(cancels: readonly { readonly id: string; readonly fence: number }[]): void {
    const { held, send, graceSeconds } = this.#options;
    for (const { id, fence } of cancels) {
      const attempt = held.find(id, fence);
      if (attempt === null || attempt.cancelling) continue;
      attempt.cancelling = true;
      send({ type: "cancel", execution: id, fence, grace_seconds: graceSeconds });
    }
  }
}
