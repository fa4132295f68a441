/** What the sweeping verbs share: which rows a round may take. */

/** One round of a sweep. */
export interface Sweep {
  /** Only these executions; null: whatever is due. */
  readonly only: readonly string[] | null;
  /** Executions that are left alone for now: Postgres refused to write them. */
  readonly except: readonly string[];
}

/** Whatever is due. */
export const EVERYTHING: Sweep = { only: null, except: [] };

/**
 * A condition on the execution `e`, and its parameters, the statement's first. Another statement where ids are given: with `$1 is null or id in ...` the
 * plan would look for few rows among all that are due.
 */
export function withinSweep({ only, except }: Sweep): { readonly condition: string; readonly parameters: string[] } {
  const among = (parameter: string) =>
    `e.id in (select x::uuid from jsonb_array_elements_text(${parameter}::text::jsonb) x)`;
  if (only === null) return { condition: `not ${among("$1")}`, parameters: [JSON.stringify(except)] };
  const wanted = only.filter((id) => !except.includes(id));
  return { condition: among("$1"), parameters: [JSON.stringify(wanted)] };
}
