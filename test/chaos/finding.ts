import type { History } from "./history.ts";

/** What a history shows that must not be. */
export interface Finding {
  readonly rule: string;
  /** The execution, where it is about one. */
  readonly id: string | null;
  readonly message: string;
}

export interface Rule {
  readonly name: string;
  /** Messages, each with the execution that it is about. */
  check(history: History): Iterable<readonly [id: string | null, message: string]>;
}
