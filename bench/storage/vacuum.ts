/**
 * The second part of `make bench-storage`: what becomes of dead rows under load beside a history, by storage settings of the table. Autovacuum looks once a
 * minute by default; here each 5 s, so that half a minute shows what hours do.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { median, runLoad } from "../../test/support/store-load.ts";
import { writeOld } from "../retention/old.ts";
import { openSeat, startBenchServer } from "../store/database.ts";

const SECONDS = Number(process.env["RAYFERRY_BENCH_SECONDS"] ?? 30);
const HISTORY = Number(process.env["RAYFERRY_BENCH_HISTORY"] ?? 300_000);
const RATE = 4_000;
const TABLE = "rayferry.ray_task_execution";

const VARIANTS = [
  {
    name: "Postgres' own",
    settings:
      "reset (fillfactor, autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold, autovacuum_vacuum_insert_scale_factor)",
  },
  {
    name: "vacuum from 2 % + 10,000",
    settings: "set (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 10000, fillfactor = 100)",
  },
  {
    name: "... and fillfactor 80",
    settings: "set (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 10000, fillfactor = 80)",
  },
  {
    name: "... and fillfactor 60",
    settings: "set (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 10000, fillfactor = 60)",
  },
];

const server = await startBenchServer({ log_autovacuum_min_duration: "-1" });
const report = [];
for (const { name, settings } of VARIANTS) {
  const database = await server.open();
  const { sql, store } = database;
  await sql.unsafe(`alter table ${TABLE} ${settings}`);
  await writeOld(sql, HISTORY);
  await sql.unsafe(`vacuum analyze ${TABLE}`);
  const seat = await openSeat(database);
  const size = async () =>
    Number(
      (await sql.unsafe(`select pg_relation_size('${TABLE}') as heap, pg_indexes_size('${TABLE}') as indexes`))[0]?.[
        "heap"
      ],
    );
  const indexes = async () => Number((await sql.unsafe(`select pg_indexes_size('${TABLE}') as n`))[0]?.["n"]);
  const before = { heap: await size(), indexes: await indexes() };
  const load = await runLoad(store, seat, SECONDS, RATE);
  await delay(1_500);
  const [stat] =
    await sql.unsafe(`select n_dead_tup::int as dead, autovacuum_count::int as vacuums, n_tup_upd::int as updates, n_tup_hot_upd::int as hot
    from pg_stat_user_tables where relname = 'ray_task_execution'`);
  const line = {
    name,
    perSecond: Math.round(load.perSecond),
    claimMs: Number(median(load.claims).toFixed(2)),
    deadMade: 2 * load.completed,
    deadLeft: Number(stat?.["dead"]),
    vacuums: Number(stat?.["vacuums"]),
    hotPercent: Math.round((100 * Number(stat?.["hot"])) / Number(stat?.["updates"])),
    heapBytesEach: Math.round(((await size()) - before.heap) / load.completed),
    indexBytesEach: Math.round(((await indexes()) - before.indexes) / load.completed),
  };
  report.push(line);
  await database.close();
}
console.table(report);
mkdirSync("bench/results", { recursive: true });
writeFileSync("bench/results/vacuum.json", `${JSON.stringify(report, null, 2)}\n`);
await server.close();
