import type { Finding } from "./finding.ts";
import type { History } from "./history.ts";
import { recoveries } from "./recovery.ts";
import { checkClaims } from "./rules/claim-order.ts";

/** What a run prints at its end; the last lines are made to be read by programs too. */
export function report(seed: number, history: History, findings: readonly Finding[]): string {
  const count = (rule: string) => new Set(findings.filter((each) => each.rule === rule).map(({ id }) => id)).size;
  const { rows, deeds, incarnations, databaseErrors } = history;
  const claims = checkClaims(history);
  const seconds = recoveries(history).map((each) => each.seconds ?? Number.POSITIVE_INFINITY);
  return [
    ...findings.map(({ rule, id, message }) => `FINDING ${rule}: ${id === null ? "" : `${id}: `}${message}`),
    `executions: ${rows.length} (${tally(rows.map(({ state }) => state))})`,
    `kinds: ${tally(history.enqueued.map(({ kind }) => kind))}`,
    `faults: ${tally(deeds.map(({ kind }) => kind))}`,
    `by hand: ${history.retries.length} retries, ${history.enqueued.filter(({ rerunOf }) => rerunOf !== null).length} reruns, ${history.bulkCancels.length} cancels by filter, ${history.pauses.filter(({ isPaused }) => isPaused).length} pauses`,
    `worker incarnations: ${incarnations.length}`,
    `attempts lost to infrastructure: ${history.attempts.filter(({ outcome }) => outcome === "LOST").length}`,
    `claims whose order was checked: ${claims.checked} (${claims.empty} of them took nothing); excused: ${claims.excused}`,
    `a full disk was seen by: ${diskFullSeen(databaseErrors)}`,
    `Postgres said: ${Object.entries(databaseErrors)
      .filter(([key]) => !key.includes(" "))
      .map(([key, times]) => `${key} ${times}`)
      .join(", ")}`,
    `findings: ${findings.length}`,
    `seed: ${seed}`,
    `lost: ${count("lost")}`,
    `state LOST: ${rows.filter(({ state }) => state === "LOST").length}`,
    `recorded twice: ${count("recorded twice")}`,
    `kills survived: ${deeds.reduce((sum, { kills }) => sum + kills, 0)}`,
    `time to recover: p50 ${shown(median(seconds))}, max ${shown(Math.max(...seconds))}`,
    `refused late writes: ${Math.max(
      history.refusals,
      incarnations.reduce((sum, { refused }) => sum + refused, 0),
    )}`,
    `bodies run more than once: ${runAgain(history)}`,
  ].join("\n");
}

/** Executions whose body began more often than their own attempts say. */
function runAgain({ lives, attempts }: History): number {
  const own = Map.groupBy(
    attempts.filter(({ outcome }) => outcome !== "LOST"),
    ({ id }) => id,
  );
  return [...Map.groupBy(lives, ({ id }) => id)].filter(([id, begun]) => begun.length > (own.get(id)?.length ?? 0))
    .length;
}

function diskFullSeen(errors: History["databaseErrors"]): string {
  const verbs = ["enqueue", "claim", "complete"].map((verb) => `${verb} ${errors[`53100 ${verb}`] ?? 0} times`);
  return verbs.join(", ");
}

function tally(words: readonly string[]): string {
  return [...Map.groupBy(words, (word) => word)].map(([word, all]) => `${word} ${all.length}`).join(", ");
}

function median(numbers: readonly number[]): number {
  return [...numbers].sort((a, b) => a - b)[numbers.length >> 1] ?? Number.NaN;
}

function shown(seconds: number): string {
  if (Number.isNaN(seconds) || seconds === Number.NEGATIVE_INFINITY) return "-";
  return Number.isFinite(seconds) ? `${seconds.toFixed(1)} s` : "never";
}
