import { PayloadNotSerializableError } from "../errors.ts";

const MAX_TEXT = 200;

/** Where in a value a walk is. A stack, because a text for every member would cost more than the walk itself; only a refusal needs it. */
export class Path {
  readonly #name: string;
  readonly #steps: unknown[] = [];

  /** `name` begins the text: `input`, `items[3].input`. */
  constructor(name: string) {
    this.#name = name;
  }

  enter(step: unknown): void {
    this.#steps.push(step);
  }

  leave(): void {
    this.#steps.pop();
  }

  /** `input.rows[3].when`, `input["odd key"]`. */
  toString(): string {
    const text = this.#name + this.#steps.map(stepText).join("");
    return text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}...` : text;
  }

  refuse(what: string, remedy: string): PayloadNotSerializableError {
    return new PayloadNotSerializableError(`${this} is ${what}, which can't be sent: ${remedy}.`);
  }
}

function stepText(step: unknown): string {
  if (typeof step !== "string") return `[${typeof step === "bigint" ? `${step}n` : String(step)}]`;
  return /^[A-Za-z_$][\w$]*$/.test(step) ? `.${step}` : `[${JSON.stringify(step)}]`;
}
