/** Milliseconds between ticks. */
const TICK = 1_000;
/** Milliseconds of lateness since the last word from which our own event loop counts as having stood still. */
const STOOD_STILL = 500;

/**
 * Tells, once, that nothing was heard for too long. What our own event loop stood still doesn't count: what came meanwhile is still to be read, and would
 * else be taken for the other side's silence.
 */
export class SilenceWatch {
  readonly #onSilent: () => void;
  readonly #tickEvery: number;
  #milliseconds = 0;
  #timer: NodeJS.Timeout | null = null;
  /** For a time that we missed, instead of the whole one. */
  #isExtended = false;
  #missed = 0;
  #tickedAt = 0;
  #ticks: NodeJS.Timeout | null = null;
  #isOver = false;

  constructor(onSilent: () => void, tickEvery = TICK) {
    this.#onSilent = onSilent;
    this.#tickEvery = tickEvery;
  }

  /** From now on, so long. */
  start(milliseconds: number): void {
    if (this.#isOver) return;
    if (this.#ticks === null) {
      this.#tickedAt = performance.now();
      this.#ticks = setInterval(() => this.#tick(), this.#tickEvery);
    }
    this.#milliseconds = milliseconds;
    this.#missed = 0;
    this.#arm(milliseconds);
  }

  heard(): void {
    this.#missed = 0;
    if (this.#isExtended) this.start(this.#milliseconds);
    else this.#timer?.refresh();
  }

  stop(): void {
    this.#isOver = true;
    if (this.#ticks !== null) clearInterval(this.#ticks);
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  #arm(milliseconds: number): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#isExtended = milliseconds !== this.#milliseconds;
    this.#timer = setTimeout(() => this.#due(), milliseconds);
  }

  #due(): void {
    const missed = this.#missed;
    this.#missed = 0;
    if (missed > STOOD_STILL) this.#arm(missed);
    else this.#onSilent();
  }

  /** Comes before a silence that ended meanwhile: Node runs timers in the order in which they were due. */
  #tick(): void {
    const now = performance.now();
    this.#missed += Math.max(0, now - this.#tickedAt - this.#tickEvery);
    this.#tickedAt = now;
  }
}
