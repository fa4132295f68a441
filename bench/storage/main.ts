/**
 * `make bench-storage`: what each index and the counts cost an execution (enqueue, claim, complete), against the tables without them, in turns in one run.
 * Behind the choices in docs/decisions/0006-storage.md.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { cpus, loadavg } from "node:os";
import { ratio, show, spread } from "../bridge/spread.ts";
import { type BenchDatabase, openSeat, type Seat, startBenchServer } from "../store/database.ts";
import { finish, take, write } from "../store/work.ts";
import { VARIANTS } from "./variants.ts";

const ROUNDS = Number(process.env["RAYFERRY_BENCH_ROUNDS"] ?? 5);
const EXECUTIONS = Number(process.env["RAYFERRY_BENCH_EXECUTIONS"] ?? 20_000);
const BATCH = 500;
const SINGLES = 1_000;

const COLUMNS = ["ms for all", "CPU us each", "WAL bytes each", "one by one: CPU us", "WAL bytes"] as const;

const server = await startBenchServer();
const only = process.env["RAYFERRY_BENCH_ONLY"]?.split(",");
const variants = VARIANTS.filter(({ name }, index) => index === 0 || only === undefined || only.includes(name));
const open: { name: string; database: BenchDatabase; seat: Seat; figures: number[][] }[] = [];
for (const { name, sql } of variants) {
  const database = await server.open();
  for (const statement of sql) await database.sql.unsafe(statement);
  const seat = await openSeat(database);
  const figures = COLUMNS.map(() => []);
  open.push({ name, database, seat, figures });
  await execute(database, seat, EXECUTIONS / 2, BATCH);
  await database.sql`vacuum analyze rayferry.ray_task_execution`;
}

/** Enqueues, claims and completes so many. */
async function execute({ store }: BenchDatabase, seat: Seat, count: number, batch: number): Promise<void> {
  const task = (n: number) => ({ task: `shop.orders.task_${n % 10}`, queue: `q${n % 4}` });
  for (let done = 0, n = 0; done < count; done += batch, n += 1) await write(store, batch, task(n));
  const queues = ["q0", "q1", "q2", "q3"];
  for (let done = 0; done < count; ) done += await finish(store, seat, await take(store, seat, batch, queues));
}

/** Milliseconds, and for each of `count` executions: microseconds that Postgres computed, bytes of its log. */
async function costOf({ sql }: BenchDatabase, count: number, run: () => Promise<void>): Promise<number[]> {
  const position = async () => {
    const [row] = await sql`select pg_current_wal_insert_lsn() - '0/0'::pg_lsn as bytes`;
    return Number(row?.["bytes"]);
  };
  const computed = async () => {
    const rows =
      await sql`select pid from pg_stat_activity where datname = current_database() and backend_type = 'client backend'`;
    return rows.map((row) => cpuMicroseconds(Number(row["pid"]))).reduce((sum, each) => sum + each, 0);
  };
  const before = { bytes: await position(), computed: await computed() };
  const start = performance.now();
  await run();
  const milliseconds = performance.now() - start;
  return [milliseconds, ((await computed()) - before.computed) / count, ((await position()) - before.bytes) / count];
}

/** By the kernel's clock, which counts in hundredths of a second: a busy machine makes everything take longer, and this hardly. */
function cpuMicroseconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
  return (Number(fields[11]) + Number(fields[12])) * 10_000;
}

for (let round = 0; round < ROUNDS; round += 1) {
  for (const { database, seat, figures } of open) {
    const all = await costOf(database, EXECUTIONS, () => execute(database, seat, EXECUTIONS, BATCH));
    const [, ...singles] = await costOf(database, SINGLES, () => execute(database, seat, SINGLES, 1));
    for (const [index, figure] of [...all, ...singles].entries()) figures[index]?.push(figure);
    await database.sql`vacuum rayferry.ray_task_execution`;
  }
}

const base = open[0]?.figures;
console.log(
  `\n${EXECUTIONS} executions in batches of ${BATCH}, ${SINGLES} one by one; medians of ${ROUNDS} (min to max), ratio to the first; ${cpus().length} cores, load ${loadavg()[0]?.toFixed(1)}`,
);
const line = (cells: readonly string[]) => cells.map((cell, index) => cell.padEnd(index === 0 ? 32 : 30)).join("");
console.log(line(["", ...COLUMNS]));
const report = open.map(({ name, figures }) => {
  const cell = (values: number[], index: number) =>
    `${show(spread(values))} ${ratio(values, base?.[index] ?? []).toFixed(2)}`;
  console.log(line([name, ...figures.map(cell)]));
  return { name, figures };
});
mkdirSync("bench/results", { recursive: true });
writeFileSync("bench/results/storage.json", `${JSON.stringify({ rounds: ROUNDS, report }, null, 2)}\n`);
for (const { database } of open) await database.close();
await server.close();
