/** The same table in partitions by id, a day each (an id is a UUID v7, which begins with its time), for the choice against them. */
import { type BenchDatabase, type BenchServer, openSeat } from "../store/database.ts";
import { finish, take, write } from "../store/work.ts";
import { writeOld } from "./old.ts";

const READY = 100_000;
const OLD_A_DAY = 20_000;
const QUEUES = Array.from({ length: 8 }, (_, n) => `q${n}`);
const DAY = 86_400_000;

export interface PartitionFigures {
  readonly name: string;
  readonly claim500: number[];
  readonly claim10: number[];
  readonly complete500: number[];
  readonly drop: number | null;
}

export async function measurePartitions(server: BenchServer, rounds: number): Promise<PartitionFigures[]> {
  const databases = [];
  for (const days of [0, 30]) {
    const database = await server.open();
    if (days > 0) await partition(database, days);
    await fill(database, days);
    const seat = await openSeat(database);
    const figures = { claim500: [] as number[], claim10: [] as number[], complete500: [] as number[] };
    databases.push({ name: days === 0 ? "one table" : `${days} partitions`, days, database, seat, figures });
  }
  for (let round = -3; round < rounds; round += 1)
    for (const { database, seat, figures } of databases) {
      const start = performance.now();
      const claimed = await take(database.store, seat, 500, QUEUES);
      const claim500 = performance.now() - start;
      const again = performance.now();
      const few = await take(database.store, seat, 10, QUEUES);
      const claim10 = performance.now() - again;
      const ending = performance.now();
      await finish(database.store, seat, claimed);
      const complete500 = performance.now() - ending;
      await finish(database.store, seat, few);
      if (round < 0) continue;
      figures.claim500.push(claim500);
      figures.claim10.push(claim10);
      figures.complete500.push(complete500);
    }
  const report = [];
  for (const { name, days, database, figures } of databases) {
    let drop: number | null = null;
    if (days > 0) {
      const start = performance.now();
      await database.sql`drop table rayferry.part_1`;
      drop = performance.now() - start;
    }
    report.push({ name, ...figures, drop });
    await database.close();
  }
  return report;
}

/** The first 6 bytes of a UUID v7 are its milliseconds. */
function idAt(milliseconds: number): string {
  const hex = Math.floor(milliseconds).toString(16).padStart(12, "0");
  return `${hex.slice(0, 8)}-${hex.slice(8)}-7000-8000-000000000000`;
}

/** What points at the executions gives up its foreign key; the unique index on seq can't be: it doesn't have the partition key. */
async function partition({ sql }: BenchDatabase, days: number): Promise<void> {
  await sql.unsafe(
    "alter table rayferry.ray_task_attempt_ended drop constraint ray_task_attempt_ended_execution_id_ray_task_execution_id_fk",
  );
  await sql.unsafe("drop index rayferry.ray_task_execution_seq");
  const indexes =
    await sql`select indexdef from pg_indexes where schemaname = 'rayferry' and tablename = 'ray_task_execution' and indexname not like '%pkey'`;
  const triggers =
    await sql`select pg_get_triggerdef(oid) as definition from pg_trigger where tgrelid = 'rayferry.ray_task_execution'::regclass and not tgisinternal`;
  await sql.unsafe("alter table rayferry.ray_task_execution rename to whole");
  await sql.unsafe("drop view rayferry.ray_task_attempt");
  await sql.unsafe(
    `create table rayferry.ray_task_execution (like rayferry.whole including defaults including constraints including identity, primary key (id)) partition by range (id)`,
  );
  await sql.unsafe("drop table rayferry.whole");
  const midnight = Math.floor(Date.now() / DAY) * DAY;
  for (let day = 0; day < days; day += 1) {
    const from = midnight - (days - 1 - day) * DAY;
    await sql.unsafe(
      `create table rayferry.part_${day} partition of rayferry.ray_task_execution for values from ('${idAt(from)}') to ('${idAt(from + DAY)}')`,
    );
  }
  await sql.unsafe("create table rayferry.part_rest partition of rayferry.ray_task_execution default");
  for (const { indexdef } of indexes) await sql.unsafe(String(indexdef));
  for (const { definition } of triggers)
    if (!String(definition).includes("REFERENCING")) await sql.unsafe(String(definition));
  for (const { definition } of triggers)
    if (String(definition).includes("REFERENCING")) await sql.unsafe(String(definition));
}

async function fill(database: BenchDatabase, days: number): Promise<void> {
  for (let written = 0; written < READY; written += 1_000)
    await write(database.store, 1_000, { queue: `q${(written / 1_000) % 8}`, priority: (written / 1_000) % 3 });
  await writeOld(database.sql, OLD_A_DAY * 30);
  if (days > 0) {
    // Where they would be: by their time of creation.
    await database.sql.unsafe("alter table rayferry.ray_task_execution disable trigger user");
    await database.sql.unsafe(`update rayferry.ray_task_execution set id = (
        lpad(to_hex((extract(epoch from now() - (seq % 29) * interval '1 day' - interval '1 day') * 1000)::bigint), 12, '0') || substr(replace(id::text, '-', ''), 13))::uuid
      where state = 'SUCCEEDED'`);
    await database.sql.unsafe("alter table rayferry.ray_task_execution enable trigger user");
  }
  await database.sql`vacuum analyze rayferry.ray_task_execution`;
}
