import type { Rule } from "../finding.ts";
import type { Claim, History } from "../history.ts";
import { Locks } from "./locks.ts";
import { Rights } from "./rights.ts";
import { isBefore, MARGIN, type Place, type Span, type Waiting, waitsOf, widened } from "./waiting.ts";

export interface ClaimCheck {
  readonly checked: number;
  /** Of those: they took nothing, with nothing there that they could have taken. */
  readonly empty: number;
  /** They passed over a row that another may have had locked, or took nothing and may have had no right to. */
  readonly excused: number;
  readonly findings: readonly (readonly [id: string, message: string])[];
}

/**
 * G7: no row that was ready and unlocked before a claim began is passed over by it for one that sorts after it, nor left where there was room. Its
 * queues are one order.
 */
export function checkClaims(history: History): ClaimCheck {
  const locks = new Locks(history);
  const rights = new Rights(history);
  const findings: (readonly [string, string])[] = [];
  let excused = 0;
  let empty = 0;
  for (const { claim, near } of withWaiting(history)) {
    const during = { from: claim.begin / 1_000, to: claim.end / 1_000 };
    if (claim.rows.length === 0 && !rights.hadRight(claim, during)) {
      excused += 1;
      continue;
    }
    const there = near.filter((row) => isThere(row, during) && rights.wasOpen(row.queue, during));
    const found = [...passedOver(claim, there, { locks, during })];
    const told = found.filter(({ isExcused }) => !isExcused);
    if (told.length > 0 && !locks.isTroubled(during))
      findings.push(...told.map(({ id, message }) => [id, message] as const));
    else if (found.length > 0) excused += 1;
    else if (claim.rows.length === 0) empty += 1;
    findings.push(...outOfOrder(claim));
  }
  return { checked: history.claims.length - excused, empty, excused, findings };
}

export const claimOrder: Rule = {
  name: "claim order",
  *check(history) {
    yield* checkClaims(history).findings;
  },
};

interface Near {
  readonly claim: Claim;
  /** Rows of its queues that waited, or began or ceased to, at about that time. */
  readonly near: readonly Waiting[];
}

/** In the order of their begins, so that what is gone needn't be looked at again. */
function* withWaiting(history: History): Generator<Near> {
  const coming = waitsOf(history).sort((a, b) => b.from - a.from);
  let present: Waiting[] = [];
  for (const claim of history.claims.toSorted((a, b) => a.begin - b.begin)) {
    const { from, to } = widened({ from: claim.begin / 1_000, to: claim.end / 1_000 });
    present = present.filter(({ gone }) => gone >= from);
    while ((coming.at(-1)?.from ?? Number.POSITIVE_INFINITY) < to) present.push(coming.pop() as Waiting);
    yield { claim, near: present.filter(({ queue }) => claim.queues.includes(queue)) };
  }
}

function isThere({ from, to, hasDeadline }: Waiting, during: Span): boolean {
  return !hasDeadline && from < during.from - MARGIN && to > during.to + MARGIN;
}

interface PassedOver {
  readonly id: string;
  readonly message: string;
  readonly isExcused: boolean;
}

interface Situation {
  readonly locks: Locks;
  readonly during: Span;
}

function* passedOver(claim: Claim, there: readonly Waiting[], { locks, during }: Situation): Generator<PassedOver> {
  const at = new Date(during.from).toISOString();
  const taken = new Set(claim.rows.map(({ id }) => id));
  const hasRoom = claim.rows.length < claim.limit;
  const last = claim.rows.at(-1);
  const isEarly = (row: Waiting) => last !== undefined && isBefore(row, placeOf(last));
  const passed = there.filter((row) => !taken.has(row.id) && (hasRoom || isEarly(row)));
  for (const queue of claim.queues) {
    const own = passed.filter((row) => row.queue === queue);
    const unasked = own.filter((row) => !locks.isAsked(row, during));
    const unexcused = new Set(locks.unexcused(claim, unasked, during));
    for (const row of own) {
      const message = isEarly(row)
        ? `it was ready, and the claim at ${at} took ${last?.id} before it`
        : `it was ready, and the claim at ${at} left it though it had room for more`;
      yield { id: row.id, message, isExcused: !unexcused.has(row) };
    }
  }
}

function* outOfOrder(claim: Claim): Generator<readonly [string, string]> {
  const at = new Date(claim.begin / 1_000).toISOString();
  for (const [index, row] of claim.rows.entries()) {
    const next = claim.rows[index + 1];
    if (next !== undefined && isBefore(placeOf(next), placeOf(row)))
      yield [next.id, `the claim at ${at} has it after ${row.id}`];
  }
}

function placeOf(row: Claim["rows"][number]): Place {
  return { priority: row.priority, runAt: row.run_at, seq: row.seq };
}
