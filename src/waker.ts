/** Sends wake-ups after the commit, coalesced: the first at once, what comes while one is under way in the next. A lost one costs a poll interval. */
export class Waker {
  readonly #send: (queues: readonly string[]) => Promise<void>;
  #due = new Set<string>();
  #sending: Promise<void> | null = null;

  constructor(send: (queues: readonly string[]) => Promise<void>) {
    this.#send = send;
  }

  wake(queues: readonly string[]): void {
    for (const queue of queues) this.#due.add(queue);
    if (this.#due.size > 0) this.#sending ??= this.#drain();
  }

  /** Resolves when nothing is left to send. */
  async flush(): Promise<void> {
    while (this.#sending !== null) await this.#sending;
  }

  async #drain(): Promise<void> {
    try {
      while (this.#due.size > 0) {
        const queues = [...this.#due];
        this.#due.clear();
        await this.#send(queues);
      }
    } catch {
      // The rows are committed; workers find them by polling.
    } finally {
      this.#sending = null;
    }
  }
}
