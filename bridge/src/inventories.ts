import { BridgeError } from "../../src/errors.ts";
import type { Phase } from "./fields.ts";
import type { ServerMessageOf } from "./messages.ts";

export interface InventoryEntry {
  readonly id: string;
  readonly fence: number;
  readonly holder: string;
  readonly phase: Phase;
}

/** Puts the parts of an inventory together, and remembers who asked for one: the server answers in that order. */
export class Inventories {
  #parts: InventoryEntry[] = [];
  readonly #asked: PromiseWithResolvers<readonly InventoryEntry[]>[] = [];

  /** Everything that the server holds, once the last part is there; null until then. */
  add({ attempts, last }: ServerMessageOf<"inventory">): readonly InventoryEntry[] | null {
    for (const [id, fence, holder, phase] of attempts) this.#parts.push({ id, fence, holder, phase });
    if (!last) return null;
    const whole = this.#parts;
    this.#parts = [];
    return whole;
  }

  /** What came in a session that the server has forgotten counts for nothing. */
  begin(): void {
    this.#parts = [];
  }

  ask(): Promise<readonly InventoryEntry[]> {
    const asked = Promise.withResolvers<readonly InventoryEntry[]>();
    this.#asked.push(asked);
    return asked.promise;
  }

  answer(inventory: readonly InventoryEntry[]): void {
    this.#asked.shift()?.resolve(inventory);
  }

  /** Nobody answers any more. */
  end(): void {
    for (const asked of this.#asked.splice(0)) asked.reject(new BridgeError("The session is over."));
  }
}
