import { InvalidInputError, UnknownTaskError } from "./errors.ts";
import { findMisfit } from "./signature.ts";
import type { Store } from "./store/connection.ts";
import { readDefinitions, type TaskDefinition } from "./store/definitions.ts";
import { didYouMean } from "./suggest.ts";

/** Milliseconds a read of the registry is good for; before anything is refused it is read again. */
const FRESH_FOR = 10_000;
/** Milliseconds between two reads on behalf of refusals. */
const REREAD_AFTER = 1_000;

/** The tasks that workers have registered, read at need and kept a while. */
export class TaskRegistry {
  readonly #store: Store;
  #tasks: ReadonlyMap<string, TaskDefinition> = new Map();
  #readAt = Number.NEGATIVE_INFINITY;
  #reading: Promise<void> | null = null;

  constructor(store: Store) {
    this.#store = store;
  }

  /**
   * The task's definition if `input` fits it; null while no worker has registered any task, so that nothing is known yet.
   *
   * @throws UnknownTaskError, InvalidInputError
   */
  async check(task: string, input: unknown, through: Store = this.#store): Promise<TaskDefinition | null> {
    await this.#readIfOlderThan(FRESH_FOR, through);
    if (this.#problem(task, input) !== null) await this.#readIfOlderThan(REREAD_AFTER, through);
    const problem = this.#problem(task, input);
    if (problem !== null) throw problem;
    return this.#tasks.get(task) ?? null;
  }

  #problem(task: string, input: unknown): Error | null {
    if (this.#tasks.size === 0) return null;
    const definition = this.#tasks.get(task);
    if (definition === undefined) {
      const known = [...this.#tasks.keys()];
      const shown = known.slice(0, 10).join(", ") + (known.length > 10 ? `, and ${known.length - 10} more` : "");
      return new UnknownTaskError(
        `No worker has registered a task named ${JSON.stringify(task)}.${didYouMean(task, known)} Registered: ${shown}. Start a worker with the module that defines it (--tasks).`,
      );
    }
    const misfit = findMisfit(definition, input);
    return misfit === null ? null : new InvalidInputError(misfit);
  }

  async #readIfOlderThan(age: number, through: Store): Promise<void> {
    if (performance.now() - this.#readAt < age) return;
    if (through !== this.#store) {
      // In a transaction: whoever reads through another connection must not be waited for.
      await this.#read(through);
      return;
    }
    this.#reading ??= this.#read(through).finally(() => {
      this.#reading = null;
    });
    await this.#reading;
  }

  async #read(through: Store): Promise<void> {
    const definitions = await readDefinitions(through);
    this.#tasks = new Map(definitions.map((each) => [each.name, each]));
    this.#readAt = performance.now();
  }
}
