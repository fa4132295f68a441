import type { Rule } from "../finding.ts";
import type { Change, Claim, History } from "../history.ts";

/**
 * Milliseconds by which a row must have been there before a claim began, and stay after it ended: a commit is seen by others only some time after the instant
 * that Postgres writes down for it.
 */
const MARGIN = 250;
/** Milliseconds from the end that a claim wrote down to its commit, which lets go of what it had locked. */
const COMMITS = 20;

/** A row that could have been claimed, from and to a moment. */
interface Waiting extends Place {
  readonly id: string;
  readonly queue: string;
  readonly from: number;
  readonly to: number;
}

interface Place {
  readonly priority: number;
  readonly runAt: number;
  readonly seq: number;
}

export interface ClaimCheck {
  /** Claims that somebody else's, or a statement that was cut off, could have kept from a row. */
  readonly excused: number;
  readonly checked: number;
  readonly findings: readonly (readonly [id: string, message: string])[];
}

/** Higher priority first, then (run_at, seq). */
function isBefore(a: Place, b: Place): boolean {
  if (a.priority !== b.priority) return a.priority > b.priority;
  if (a.runAt !== b.runAt) return a.runAt < b.runAt;
  return a.seq < b.seq;
}

/**
 * G7: no row that was ready and unlocked before a claim began is passed over by it for one that sorts after it in that queue, nor left where there was room.
 *
 * A claim locks for a moment what it then doesn't take. So one that overlaps with another of the same queue proves nothing, and is excused; likewise
 * one near a fault of the database, which may have cut off a claim that no journal has.
 */
export function checkClaims({ claims, changes, deeds, enqueued }: History): ClaimCheck {
  // What is overdue isn't claimed, and when it will be swept up is another's business.
  const hasty = new Set(enqueued.filter(({ queueTimeout }) => queueTimeout !== null).map(({ id }) => id));
  const waiting = [...Map.groupBy(changes, ({ id }) => id)].flatMap(([id, own]) => (hasty.has(id) ? [] : waitsOf(own)));
  const findings: (readonly [string, string])[] = [];
  const sorted = claims.filter(({ rows }) => rows.length > 0);
  const crowded = withNeighbours(claims.toSorted((a, b) => a.begin - b.begin));
  const unjournaled = claimsWithoutJournal(claims, changes);
  const troubled = deeds
    .filter(({ cutsStatements }) => cutsStatements)
    .map(({ at, until }) => ({ from: at - MARGIN, to: until + MARGIN }));
  let excused = 0;
  for (const claim of sorted) {
    const from = claim.begin / 1_000;
    const to = claim.end / 1_000;
    const overlaps = (each: { from: number; to: number }) => each.from <= to && each.to >= from;
    if (crowded.has(claim) || unjournaled.some(overlaps) || troubled.some(overlaps)) {
      excused += 1;
      continue;
    }
    const there = waiting.filter((each) => each.from < from - MARGIN && each.to > to + MARGIN);
    findings.push(...passedOver(claim, there));
  }
  return { excused, checked: sorted.length - excused, findings };
}

export const claimOrder: Rule = {
  name: "claim order",
  *check(history) {
    yield* checkClaims(history).findings;
  },
};

function* passedOver(claim: Claim, there: readonly Waiting[]): Generator<readonly [string, string]> {
  const at = new Date(claim.begin / 1_000).toISOString();
  const taken = new Set(claim.rows.map(({ id }) => id));
  const hasRoom = claim.rows.length < claim.limit;
  for (const queue of claim.queues) {
    const last = claim.rows.filter((row) => row.queue === queue).at(-1);
    const place = last === undefined ? null : { priority: last.priority, runAt: last.run_at, seq: last.seq };
    for (const row of there) {
      if (row.queue !== queue || taken.has(row.id)) continue;
      if (place !== null && isBefore(row, place))
        yield [row.id, `it was ready, and the claim at ${at} took ${last?.id} before it`];
      else if (hasRoom) yield [row.id, `it was ready, and the claim at ${at} left it though it had room for more`];
    }
  }
  for (const [index, row] of claim.rows.entries()) {
    const next = claim.rows[index + 1];
    if (next !== undefined && isBefore(placeOf(next), placeOf(row)))
      yield [next.id, `the claim at ${at} has it after ${row.id}`];
  }
}

function placeOf(row: Claim["rows"][number]): Place {
  return { priority: row.priority, runAt: row.run_at, seq: row.seq };
}

/** Those that weren't alone. Claims come in the order of their begins: who is near one of them begins before its end, or is the one before it that ends last. */
function withNeighbours(claims: readonly Claim[]): ReadonlySet<Claim> {
  const found = new Set<Claim>();
  let longest: Claim | undefined;
  for (const claim of claims) {
    if (longest !== undefined && longest.end + COMMITS * 1_000 >= claim.begin) found.add(longest).add(claim);
    if (longest === undefined || claim.end > longest.end) longest = claim;
  }
  return found;
}

/** Of the changes of one row, the times in which it could be claimed. */
function waitsOf(changes: readonly Change[]): Waiting[] {
  return changes.flatMap((change, index) => {
    if (change.after !== "QUEUED" || !change.ready) return [];
    const next = changes[index + 1];
    const { id, queue, priority, runAt, seq } = change;
    // Until somebody began what took it away: that had it locked.
    return [{ id, queue, priority, runAt, seq, from: change.committed, to: next?.begun ?? Number.POSITIVE_INFINITY }];
  });
}

/** Claims that were committed, and whose answer never came: their worker knows nothing of them. */
function claimsWithoutJournal(claims: readonly Claim[], changes: readonly Change[]): { from: number; to: number }[] {
  const known = new Set(claims.flatMap(({ rows }) => rows.map(({ fence }) => fence)));
  return changes
    .filter(
      ({ before, after, fence }) => before === "QUEUED" && after === "RUNNING" && fence !== null && !known.has(fence),
    )
    .map(({ begun, committed }) => ({ from: begun - MARGIN, to: committed + MARGIN }));
}
