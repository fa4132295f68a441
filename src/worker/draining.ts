import type { Logger } from "../logger.ts";
import type { Served } from "./served.ts";
import type { Services } from "./services.ts";

export interface DrainingOptions {
  /** Null while it starts. */
  readonly services: () => Services | null;
  /** Every server with a session. */
  readonly servers: () => readonly Served[];
  readonly logger: Logger;
}

/**
 * What a worker does that was asked to drain: it claims no more, hands back what hasn't begun, goes on with what runs, and says when nothing is left. It
 * stays up until it is stopped.
 */
export class Draining {
  readonly #options: DrainingOptions;
  #isAsked = false;
  #isSaid = false;
  #claims = true;

  constructor(options: DrainingOptions) {
    this.#options = options;
  }

  get isAsked(): boolean {
    return this.#isAsked;
  }

  /** With every beat that brings the request: the lease is DRAINING, so that no claim gets anything any more. */
  async request(): Promise<void> {
    const { services, servers, logger } = this.#options;
    if (!this.#isAsked) logger.info("asked to drain: claims no more, and goes on with what runs");
    this.#isAsked = true;
    const working = services();
    if (working === null) return;
    if (this.#claims) {
      this.#claims = false;
      // What a claim under way still brings is held then.
      await working.stopClaiming();
    }
    // At each beat: what the last claim brought may not have been sent yet, and a server may not have answered.
    for (const { attempts } of servers()) attempts.withdrawUnstarted();
    this.#sayWhenNothingIsLeft();
  }

  #sayWhenNothingIsLeft(): void {
    const { servers, logger } = this.#options;
    const held = servers().reduce((sum, { attempts }) => sum + attempts.held.size, 0);
    if (held === 0 && !this.#isSaid) logger.info("drained: nothing is left, and the worker may be stopped");
    this.#isSaid = held === 0;
  }
}
