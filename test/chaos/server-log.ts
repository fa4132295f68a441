/** What Postgres says, an entry at a time: with `log_line_prefix = '[%e] '` each begins with its SQLSTATE. */

/** By words that only that verb's statement has. */
const VERBS: readonly (readonly [string, RegExp])[] = [
  ["enqueue", /\binsert into "rayferry"."ray_task_execution" /],
  ["claim", /\bpicked as \(/],
  ["complete", /\bdone as \(/],
  ["beat", /\brenewed as \(/],
  ["promote", /\bset ready = true\b/],
];

export class ServerLog {
  /** How often each was said, by "SQLSTATE verb"; without a verb, where it isn't known. */
  readonly errors: Record<string, number> = {};
  /** When a claim failed, by this machine's clock. */
  readonly failedClaims: number[] = [];
  #rest = "";
  #entry: { state: string; text: string } | null = null;
  #failed: string | null = null;

  add(text: string): void {
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop() ?? "";
    for (const line of lines) this.#line(line);
  }

  #line(line: string): void {
    const start = /^\[(\w{5})\] (.*)$/.exec(line);
    if (start === null) {
      if (this.#entry !== null) this.#entry.text += `\n${line}`;
      return;
    }
    this.#close();
    this.#entry = { state: start[1] ?? "", text: start[2] ?? "" };
  }

  /** An error comes first, and the statement that had it in an entry of its own. */
  #close(): void {
    if (this.#entry === null) return;
    const { state, text } = this.#entry;
    if (/^(ERROR|FATAL|PANIC):/.test(text)) {
      this.#count(state, "");
      this.#failed = state;
    } else if (text.startsWith("STATEMENT:") && this.#failed !== null) {
      const verb = VERBS.find(([, words]) => words.test(text))?.[0] ?? "another";
      this.#count(this.#failed, verb);
      if (verb === "claim") this.failedClaims.push(Date.now());
      this.#failed = null;
    }
  }

  #count(state: string, verb: string): void {
    const key = `${state} ${verb}`.trim();
    this.errors[key] = (this.errors[key] ?? 0) + 1;
  }
}
