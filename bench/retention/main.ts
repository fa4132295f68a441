/**
 * `make bench-retention`: how what is old goes. Deletes in batches (`prune`): alone, and while executions are enqueued, claimed and completed at 5,000/s and
 * at full rate, against the same load without; and partitions of a day each: what a claim costs over 30 of them, and to drop one. Behind
 * docs/decisions/0006-storage.md.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { cpus, loadavg } from "node:os";
import { runLoad } from "../../test/support/store-load.ts";
import { ratio, show, spread } from "../bridge/spread.ts";
import { openSeat, startBenchServer } from "../store/database.ts";
import { writeOld } from "./old.ts";
import { measurePartitions } from "./partitions.ts";
import { Pruning, pruneAll } from "./pruning.ts";

const ROUNDS = Number(process.env["RAYFERRY_BENCH_ROUNDS"] ?? 5);
const SECONDS = Number(process.env["RAYFERRY_BENCH_SECONDS"] ?? 5);
const OLD = Number(process.env["RAYFERRY_BENCH_OLD"] ?? 200_000);
const RATES = [5_000, Number.POSITIVE_INFINITY] as const;

/** Microseconds of values in milliseconds. */
const p95 = (values: readonly number[]) =>
  1_000 * (values.toSorted((a, b) => a - b)[Math.floor(values.length * 0.95)] ?? Number.NaN);

const server = await startBenchServer();
const database = await server.open();
const seat = await openSeat(database);

await writeOld(database.sql, OLD);
const alone = await pruneAll(database.store);
console.log(`\n${cpus().length} cores, load ${loadavg()[0]?.toFixed(1)}; medians of ${ROUNDS} (min to max)`);
console.log(`removed alone: ${Math.round(alone).toLocaleString("en")}/s`);

const report: unknown[] = [{ alone }];
for (const rate of RATES) {
  const figures = {
    without: [] as number[],
    with: [] as number[],
    p95Without: [] as number[],
    p95With: [] as number[],
    removed: [] as number[],
  };
  for (let round = 0; round < ROUNDS; round += 1) {
    const clean = await runLoad(database.store, seat, SECONDS, rate);
    await writeOld(database.sql, OLD);
    const pruning = new Pruning(database.store);
    const beside = await runLoad(database.store, seat, SECONDS, rate);
    figures.removed.push(await pruning.stop());
    figures.without.push(clean.perSecond);
    figures.with.push(beside.perSecond);
    figures.p95Without.push(p95(clean.claims));
    figures.p95With.push(p95(beside.claims));
    await pruneAll(database.store);
  }
  const name = Number.isFinite(rate) ? `${rate.toLocaleString("en")}/s asked for` : "full rate";
  console.log(`\n${name}: enqueued, claimed and completed in batches of 100`);
  console.log(`  executions/s without  ${show(spread(figures.without))}`);
  console.log(
    `  ... while removing    ${show(spread(figures.with))}  ratio ${ratio(figures.with, figures.without).toFixed(2)}`,
  );
  console.log(`  removed/s meanwhile   ${show(spread(figures.removed))}`);
  console.log(
    `  p95 of a claim, us    ${show(spread(figures.p95Without))}, while removing ${show(spread(figures.p95With))}`,
  );
  report.push({ rate: Number.isFinite(rate) ? rate : null, ...figures });
}
await database.close();

const partitions = await measurePartitions(server, 3 * ROUNDS);
console.log("\npartitions: ms for a claim of 500 and of 10 of 100,000 ready, a day's partition dropped");
for (const { name, claim500, claim10, complete500, drop } of partitions) {
  const first = partitions[0];
  console.log(
    `  ${name.padEnd(16)} ${["500", "10", "complete 500"]
      .map((what, index) => {
        const values = [claim500, claim10, complete500][index] ?? [];
        const base = [first?.claim500, first?.claim10, first?.complete500][index] ?? [];
        return `${what}: ${spread(values).median.toFixed(1)} (ratio ${ratio(values, base).toFixed(2)})`;
      })
      .join("  ")}${drop === null ? "" : `  drop: ${drop.toFixed(0)} ms`}`,
  );
}
mkdirSync("bench/results", { recursive: true });
writeFileSync("bench/results/retention.json", `${JSON.stringify({ rounds: ROUNDS, report, partitions }, null, 2)}\n`);
await server.close();
