import { setTimeout as delay } from "node:timers/promises";
import type postgres from "postgres";
import type { Fault } from "../fault.ts";

const VERBS = ["enqueue", "claim", "complete"];
/** Milliseconds beyond the planned time. */
const PATIENCE = 60_000;
/** Milliseconds that the disk is full at a time beyond that: shorter than a lease, for nobody claims without one. */
const FULL = 2_000;
/** Milliseconds that it has room in between, at most: until somebody claims again. */
const ROOM = 15_000;
/** Executions that are enqueued with each filling: one after the other they use up the room that is left in pages, and give claims something to take. */
const MORE = 20;

/** Seen by all three, counted from before the first filling: each meets it only when it needs a new page, and claims only while slots are free. */
export const fullDisk: Fault = {
  kind: "a full disk under Postgres",
  lasts: [[4, 9]],
  targets: 1,
  cutsStatements: true,
  missing: (world) => world.postgres.disk.missing,
  async inject({ postgres: { disk, log }, sql }, { seconds }, load) {
    const before = { ...log.errors };
    const unseen = () => VERBS.filter((verb) => (log.errors[`53100 ${verb}`] ?? 0) <= (before[`53100 ${verb}`] ?? 0));
    const start = performance.now();
    const isOver = () => performance.now() - start > seconds * 1_000 + PATIENCE;
    let fillings = 0;
    try {
      for (let full = seconds * 1_000; ; full = FULL) {
        await disk.fill();
        fillings += 1;
        load.add(MORE);
        await delay(full);
        if (unseen().length === 0 || isOver()) break;
        await disk.free();
        await untilClaimed(sql);
      }
    } finally {
      await disk.free();
    }
    const left = unseen();
    const what = `no byte left, ${fillings} times; ${left.length === 0 ? "" : "not "}all of ${VERBS.join(", ")} have seen it`;
    return { what, missed: left.length === 0 ? null : `${left.join(", ")} never saw it` };
  },
};

/** Or until that takes too long, or can't be looked at. */
async function untilClaimed(sql: postgres.Sql): Promise<void> {
  const claims = async () => {
    const [row] = await sql`select count(*)::int as n from chaos.change where before = 'QUEUED' and after = 'RUNNING'`;
    return Number(row?.["n"]);
  };
  const before = await claims().catch(() => 0);
  const isMore = async () => (await claims().catch(() => 0)) > before;
  for (const start = performance.now(); performance.now() - start < ROOM && !(await isMore()); ) await delay(50);
}
