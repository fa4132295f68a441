import type { Logger } from "../logger.ts";

/** Milliseconds for which what can't be written is left alone. */
const ASIDE = 60_000;
/** Executions whose trouble was told already, at most. */
const REMEMBERED = 10_000;
/** Ids in a line of the log. */
const NAMED = 5;

/** What a row is left alone for, for a minute: Postgres refused to write it, and the others aren't to wait for it. */
export class SetAside {
  readonly #verb: string;
  readonly #logger: Logger;
  readonly #until = new Map<string, number>();
  readonly #told = new Set<string>();
  #news: string[] = [];
  #error: unknown = null;

  constructor(verb: string, logger: Logger) {
    this.#verb = verb;
    this.#logger = logger;
  }

  ids(): string[] {
    const now = performance.now();
    for (const [id, until] of this.#until) if (until <= now) this.#until.delete(id);
    return [...this.#until.keys()];
  }

  has(id: string): boolean {
    return (this.#until.get(id) ?? 0) > performance.now();
  }

  add(id: string, error: unknown): void {
    this.#until.set(id, performance.now() + ASIDE);
    this.#error = error;
    if (this.#told.has(id)) return;
    if (this.#told.size >= REMEMBERED) this.#told.clear();
    this.#told.add(id);
    this.#news.push(id);
  }

  /** Once for each execution, together for those of a round; the sentence, or null where there is no news. */
  tell(): string | null {
    const ids = this.#news;
    this.#news = [];
    if (ids.length === 0) return null;
    const reason = this.#error instanceof Error ? this.#error.message : String(this.#error);
    const sentence = `Postgres refuses to ${this.#verb} ${ids.length === 1 ? `execution ${ids[0]}` : `${ids.length} executions`}, which is tried again each minute: ${reason}`;
    this.#logger.error({ executions: ids.slice(0, NAMED) }, sentence);
    return sentence;
  }
}
