/** What a claim may have found locked by another, beyond what that other took: the one thing that excuses it for passing over a row. */
import type { Change, Claim, History } from "../history.ts";
import { isBefore, MARGIN, overlaps, type Place, type Span, type Waiting } from "./waiting.ts";

/** Milliseconds for which a claim may have had its rows locked before it failed. */
const LONGEST = 1_000;

/** A claim as its neighbours feel it: from its begin to when its locks are gone. */
interface Neighbour extends Span {
  readonly claim: Claim | null;
  readonly queues: readonly string[] | null;
  /** Rows that it locked of one queue at most, and didn't take; 0: it took all that it locked. */
  readonly extra: number;
  /** The last that it took: what it locked beyond sorts after it. */
  readonly last: Place | null;
}

/**
 * A claim of several queues that finds some rows locked locks up to its limit of each queue to make up for them, and takes the first of them all. So it
 * lets go of rows only where it got as many as it wanted, and only of such as sort after the last that it took. One of a single queue takes all that it locks.
 */
export class Locks {
  readonly #neighbours: readonly Neighbour[];
  /** Claims that came to nothing are in no journal: near what cuts statements off, and where Postgres told of a failed one. */
  readonly #troubled: readonly Span[];
  /** A retry that is refused, being asked for twice, had the row locked while it looked. */
  readonly #asked: ReadonlyMap<string, readonly Span[]>;

  constructor(history: History) {
    const commits = new Map<number, number>();
    for (const { before, after, fence, committed } of history.changes)
      if (before === "QUEUED" && after === "RUNNING" && fence !== null) commits.set(fence, committed);
    const known = history.claims.map((claim) => neighbourOf(claim, commits));
    this.#neighbours = [...known, ...withoutJournal(history.claims, history.changes)];
    const faults = history.deeds.filter(({ cutsStatements }) => cutsStatements);
    this.#troubled = [
      ...faults.map(({ at, until }) => ({ from: at - MARGIN, to: until + MARGIN })),
      ...history.failedClaims.map((at) => ({ from: at - LONGEST, to: at + MARGIN })),
    ];
    this.#asked = Map.groupBy(
      history.retries.map(({ id, at, until }) => ({ id, from: at, to: until ?? Number.POSITIVE_INFINITY })),
      ({ id }) => id,
    );
  }

  isTroubled(during: Span): boolean {
    return this.#troubled.some((each) => overlaps(each, during));
  }

  isAsked({ id }: Waiting, during: Span): boolean {
    return (this.#asked.get(id) ?? []).some((each) => overlaps(each, during));
  }

  /** Those of `passed`, all of one queue, that nobody can have had locked while this claim went on. */
  unexcused(claim: Claim, passed: readonly Waiting[], during: Span): Waiting[] {
    const rows = passed.toSorted((a, b) => (isBefore(a, b) ? -1 : 1));
    const others = this.#others(claim, during);
    const excused = new Set<Waiting>();
    for (const { queues, extra, last } of others) {
      const own = rows.filter(
        (row) =>
          !excused.has(row) &&
          (queues === null || queues.includes(row.queue)) &&
          (last === null || !isBefore(row, last)),
      );
      for (const row of own.slice(0, extra)) excused.add(row);
    }
    return rows.filter((row) => !excused.has(row));
  }

  #others(claim: Claim, during: Span): Neighbour[] {
    return this.#neighbours.filter((each) => each.extra > 0 && each.claim !== claim && overlaps(each, during));
  }
}

function neighbourOf(claim: Claim, commits: ReadonlyMap<number, number>): Neighbour {
  const { begin, end, queues, limit, rows } = claim;
  const last = rows.at(-1);
  const committed = Math.max(end / 1_000, ...rows.map(({ fence }) => commits.get(fence) ?? 0));
  return {
    claim,
    queues,
    from: begin / 1_000,
    to: committed + MARGIN,
    extra: queues.length > 1 && rows.length === limit ? limit : 0,
    last: last === undefined ? null : { priority: last.priority, runAt: last.run_at, seq: last.seq },
  };
}

/** Claims that were committed, and whose answer never came: their worker knows nothing of them, and nobody knows their limit. */
function withoutJournal(claims: readonly Claim[], changes: readonly Change[]): Neighbour[] {
  const known = new Set(claims.flatMap(({ rows }) => rows.map(({ fence }) => fence)));
  const taken = changes.filter(
    ({ before, after, fence }) => before === "QUEUED" && after === "RUNNING" && fence !== null && !known.has(fence),
  );
  return [...Map.groupBy(taken, ({ holder, begun }) => `${holder} ${begun}`).values()].map((own) => ({
    claim: null,
    queues: null,
    from: Math.min(...own.map(({ begun }) => begun)),
    to: Math.max(...own.map(({ committed }) => committed)) + MARGIN,
    extra: Number.POSITIVE_INFINITY,
    last: own.reduce<Place>((last, each) => (isBefore(last, each) ? each : last), own[0] as Change),
  }));
}
