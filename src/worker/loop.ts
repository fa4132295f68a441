/**
 * The shape of every service of the worker: `runOnce` does one round and says in how many milliseconds the next is due; `wake` brings it forward.
 * One round at a time; a wake-up during a round makes another follow at once. A round that throws is reported and tried again with backoff.
 */
export class Loop {
  readonly #runOnce: () => Promise<number>;
  readonly #onError: (error: unknown) => void;
  #timer: NodeJS.Timeout | null = null;
  #running: Promise<void> | null = null;
  #again = false;
  #stopped = true;
  #failures = 0;

  constructor(runOnce: () => Promise<number>, onError: (error: unknown) => void) {
    this.#runOnce = runOnce;
    this.#onError = onError;
  }

  start(): void {
    this.#stopped = false;
    this.wake();
  }

  wake(): void {
    if (this.#stopped) return;
    if (this.#running !== null) {
      this.#again = true;
      return;
    }
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#running = this.#round();
  }

  /** Resolves when the round under way has ended. */
  async stop(): Promise<void> {
    this.#stopped = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    await this.#running;
  }

  async #round(): Promise<void> {
    // #running must be set before the first step can wake this very loop: else that would be a second round.
    await null;
    let next: number;
    do {
      this.#again = false;
      next = await this.#try();
    } while (this.#again && !this.#stopped && this.#failures === 0);
    this.#running = null;
    if (!this.#stopped) this.#timer = setTimeout(() => this.wake(), next);
  }

  async #try(): Promise<number> {
    try {
      const next = await this.#runOnce();
      this.#failures = 0;
      return next;
    } catch (error) {
      this.#failures += 1;
      this.#onError(error);
      return Math.min(100 * 2 ** this.#failures, 5_000) * (0.5 + Math.random() / 2);
    }
  }
}
