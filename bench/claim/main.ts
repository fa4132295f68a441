/**
 * `make bench-claim`: what a claim costs with 1,000 ready executions, with 1,000,000, and with 1,000,000 more that are scheduled, in 8 queues and 3
 * priorities; in turns in one run. What is claimed is completed and replaced between the measurements, so that each backlog stays as long as it is.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { cpus, loadavg } from "node:os";
import { writeBacklog } from "../../test/support/backlog.ts";
import { ratio, spread } from "../bridge/spread.ts";
import { type BenchDatabase, openSeat, type Seat, startBenchServer } from "../store/database.ts";
import { finish, take, write } from "../store/work.ts";

const ROUNDS = Number(process.env["RAYFERRY_BENCH_ROUNDS"] ?? 21);
const MILLION = Number(process.env["RAYFERRY_BENCH_MILLION"] ?? 1_000_000);
const WARM_UP = 6;
const SIZES = [500, 10] as const;
const QUEUES = Array.from({ length: 8 }, (_, n) => `q${n}`);
/** Of claim cost with a long backlog to that with 1,000 (design.md, G7). */
const BOUND = 1.5;

interface Case {
  readonly name: string;
  readonly database: BenchDatabase;
  readonly seat: Seat;
  readonly milliseconds: Record<(typeof SIZES)[number], number[]>;
}

const server = await startBenchServer();
const cases: Case[] = [];
for (const [name, ready, later] of [
  ["1,000 ready", 1_000, 0],
  [`${MILLION.toLocaleString("en")} ready`, MILLION, 0],
  ["... and as many scheduled", MILLION, MILLION],
] as const) {
  const database = await server.open();
  await writeBacklog(database.sql, { ready, later, finished: 0 });
  cases.push({ name, database, seat: await openSeat(database), milliseconds: { 500: [], 10: [] } });
}

async function measure({ database, seat }: Case, limit: number): Promise<number> {
  const start = performance.now();
  const claimed = await take(database.store, seat, limit, QUEUES);
  const milliseconds = performance.now() - start;
  if (claimed.length !== limit) throw new Error(`Claimed ${claimed.length} instead of ${limit}.`);
  await finish(database.store, seat, claimed);
  // One query each, as many as were taken from it.
  for (const queue of QUEUES) {
    const taken = claimed.filter((each) => each.queue === queue).length;
    if (taken > 0) await write(database.store, taken, { queue, priority: taken % 3 });
  }
  return milliseconds;
}

for (let round = -WARM_UP; round < ROUNDS; round += 1)
  for (const size of SIZES)
    for (const each of cases) {
      const milliseconds = await measure(each, size);
      if (round >= 0) each.milliseconds[size].push(milliseconds);
    }

console.log(
  `\nms for a claim over ${QUEUES.length} queues and 3 priorities; medians of ${ROUNDS} (min to max), ratio to the first line; ${cpus().length} cores, load ${loadavg()[0]?.toFixed(1)}`,
);
const line = (cells: readonly string[]) => cells.map((cell) => cell.padEnd(34)).join("");
console.log(line(["", ...SIZES.map((size) => `of ${size}`)]));
let isWithin = true;
const report = cases.map(({ name, milliseconds }) => {
  const cells = SIZES.map((size) => {
    const { median, min, max } = spread(milliseconds[size]);
    const factor = ratio(milliseconds[size], cases[0]?.milliseconds[size] ?? []);
    isWithin &&= factor <= BOUND;
    return { size, median, min, max, ratio: factor };
  });
  console.log(
    line([
      name,
      ...cells.map((c) => `${c.median.toFixed(1)} (${c.min.toFixed(1)} to ${c.max.toFixed(1)})  ${c.ratio.toFixed(2)}`),
    ]),
  );
  return { name, cells };
});
console.log(`within ${BOUND}x: ${isWithin ? "yes" : "NO"}`);
mkdirSync("bench/results", { recursive: true });
writeFileSync("bench/results/claim.json", `${JSON.stringify({ rounds: ROUNDS, isWithin, report }, null, 2)}\n`);
for (const { database } of cases) await database.close();
await server.close();
