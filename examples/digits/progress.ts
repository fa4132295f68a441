/** One line that is written over in a terminal; a plain line every eighth in a pipe. */
export class Progress {
  readonly #total: number;
  readonly #begun = performance.now();
  readonly #live = process.stdout.isTTY === true;
  #done = 0;
  #best = 0;

  constructor(total: number) {
    this.#total = total;
  }

  finished(accuracy: number): void {
    this.#done += 1;
    this.#best = Math.max(this.#best, accuracy);
    const line = `  ${this.#done} of ${this.#total} configurations, best accuracy ${this.#best.toFixed(4)}, ${this.seconds().toFixed(1)} s`;
    if (this.#live) process.stdout.write(`\r\x1b[K${line}`);
    else if (this.#done % 8 === 0 || this.#done === this.#total) console.log(line);
  }

  /** Seconds since it began. */
  seconds(): number {
    return (performance.now() - this.#begun) / 1000;
  }

  /** Puts a line above the progress. */
  say(text: string): void {
    console.log(this.#live ? `\r\x1b[K${text}` : text);
  }

  end(): void {
    if (this.#live) process.stdout.write("\n");
  }
}
