import type { Logger } from "../logger.ts";
import { type AttemptToFollow, again } from "../store/again.ts";
import { type Completion, complete } from "../store/complete.ts";
import type { Store } from "../store/connection.ts";
import { type LostAttempt, requeue } from "../store/requeue.ts";
import { type Ended, verbOf } from "./ended.ts";

/** Writes attempts of one verb, in one statement; the ids that were accepted. */
export async function writeBack(
  store: Store,
  holder: string,
  batch: readonly Ended[],
  logger: Logger,
): Promise<ReadonlySet<string>> {
  const [first] = batch;
  if (first === undefined) return new Set();
  switch (verbOf(first)) {
    case "complete":
      return await complete(store, holder, batch.flatMap(toCompletion));
    case "again": {
      const rows = await again(store, holder, batch.flatMap(toAttemptToFollow));
      return new Set(rows.map(({ id }) => id));
    }
    case "requeue": {
      const rows = await requeue(store, holder, batch.flatMap(toLost));
      for (const { id, state } of rows) logger.warn({ execution: id, state }, "an attempt was lost to infrastructure");
      return new Set(rows.map(({ id }) => id));
    }
  }
}

function toCompletion({ id, fence, result, decision, run, leased }: Ended): Completion[] {
  if (decision.word !== "complete") return [];
  const { state, error } = decision;
  const hasValue = state === "SUCCEEDED";
  const value = hasValue ? result.value : null;
  return [{ id, fence, state, contentType: hasValue ? result.content_type : null, value, error, run, leased }];
}

function toAttemptToFollow({ id, fence, result, decision, reason, run, leased }: Ended): AttemptToFollow[] {
  if (decision.word !== "retry" && decision.word !== "snooze") return [];
  const { afterSeconds, error } = decision;
  const outcome = decision.word === "snooze" ? "SNOOZED" : result.outcome === "TIMED_OUT" ? "TIMED_OUT" : "FAILED";
  return [{ id, fence, outcome, error, afterSeconds, reason, run, leased }];
}

function toLost({ id, fence, decision, run, leased }: Ended): LostAttempt[] {
  return decision.word === "requeue" ? [{ id, fence, error: decision.error, run, leased }] : [];
}
