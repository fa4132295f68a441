import { setTimeout as sleep } from "node:timers/promises";
import type { Store } from "./connection.ts";
import { judge } from "./database-error.ts";
import type { Remedy } from "./sqlstate.ts";

const TRIES = 3;
/** Milliseconds after which no other try begins. */
const PATIENCE = 5_000;
/** Milliseconds before the second and the third try, on average: enough for a restart of Postgres. */
const PAUSES = { AT_ONCE: [20, 100], LATER: [500, 1_500] } as const;

/**
 * The store for a client's verbs that are harmless to repeat, enqueue by its ids included: what fails for a moment is tried again, three times within 5 s.
 * Through a caller's client nothing is: its transaction is over then, and that is the caller's affair.
 */
export function repeating(store: Store): Store {
  if (!store.own) return store;
  return { ...store, query: (text, params) => repeat(() => store.query(text, params)) };
}

async function repeat<T>(act: () => Promise<T>): Promise<T> {
  const begun = performance.now();
  for (let tries = 1; ; tries += 1) {
    try {
      return await act();
    } catch (error) {
      const pause = pauseAfter(judge(error).remedy, tries);
      if (pause === null || tries === TRIES || performance.now() - begun + pause > PATIENCE) throw error;
      await sleep(pause * (0.75 + Math.random() / 2));
    }
  }
}

function pauseAfter(remedy: Remedy, tries: number): number | null {
  return remedy === "AT_ONCE" || remedy === "LATER" ? (PAUSES[remedy][tries - 1] ?? null) : null;
}
