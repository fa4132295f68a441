/** A steady load of the store alone: executions enqueued, claimed and completed by the verbs, without a worker, a sidecar or Ray. */
import { setTimeout as delay } from "node:timers/promises";
import { encodePayload } from "../../src/payload.ts";
import { complete } from "../../src/store/complete.ts";
import type { Store } from "../../src/store/connection.ts";
import { enqueue } from "../../src/store/enqueue.ts";
import { claimAs, completion, newExecution, type Seat } from "./seed.ts";

const BATCH = 100;
/** Enqueued and not completed, at most. */
const BACKLOG = 2_000;
const QUEUES = Array.from({ length: 8 }, (_, n) => `q${n}`);
/** 100 bytes. */
const INPUT = encodePayload({ order: 123_456, text: "x".repeat(72) });

export interface LoadReport {
  readonly completed: number;
  readonly perSecond: number;
  /** Of each second. */
  readonly bySecond: readonly number[];
  /** Milliseconds of each claim, in order. */
  readonly claims: readonly number[];
}

/** In batches of 100, each of the three on a connection of its own, at most `rate` a second, for so long; then drained. */
export async function runLoad(
  store: Store,
  seat: Seat,
  seconds: number,
  rate = Number.POSITIVE_INFINITY,
): Promise<LoadReport> {
  const start = performance.now();
  const elapsed = () => (performance.now() - start) / 1_000;
  const claims: number[] = [];
  const bySecond = Array.from({ length: Math.ceil(seconds) }, () => 0);
  let enqueued = 0;
  let completed = 0;
  const enqueuing = async () => {
    while (elapsed() < seconds) {
      if (enqueued > elapsed() * rate || enqueued > completed + BACKLOG) await delay(2);
      else {
        const queue = QUEUES[(enqueued / BATCH) % QUEUES.length] ?? "q0";
        await enqueue(
          store,
          Array.from({ length: BATCH }, () => newExecution({ queue, input: INPUT })),
          false,
        );
        enqueued += BATCH;
      }
    }
  };
  const working = async () => {
    const under = new Set<Promise<void>>();
    while (elapsed() < seconds || completed < enqueued) {
      const before = performance.now();
      const claimed = await claimAs(store, seat, BATCH, QUEUES);
      claims.push(performance.now() - before);
      if (claimed.length === 0) {
        await delay(2);
        continue;
      }
      const ends = claimed.map((each) => completion(each));
      const ending = complete(store, seat.holder, ends).then((ids) => {
        completed += ids.size;
        const second = Math.floor(elapsed());
        bySecond[second] = (bySecond[second] ?? 0) + ids.size;
        under.delete(ending);
      });
      under.add(ending);
      if (under.size > 2) await Promise.race(under);
    }
    await Promise.all(under);
  };
  await Promise.all([enqueuing(), working()]);
  return { completed, perSecond: completed / elapsed(), bySecond, claims };
}

export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}
