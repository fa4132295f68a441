/** A change of the tables as they are. */
export interface Variant {
  readonly name: string;
  readonly sql: readonly string[];
}

const TABLE = "rayferry.ray_task_execution";
const without = (index: string) => `drop index rayferry.ray_task_execution_${index}`;
const UNCOUNTED = `drop trigger count_changed on ${TABLE}`;

/** The first is what the others are compared with. */
export const VARIANTS: readonly Variant[] = [
  { name: "bare: no lists, no counts", sql: [without("queued"), without("ended"), UNCOUNTED] },
  { name: "as it is", sql: [] },
  { name: "without counts", sql: [UNCOUNTED] },
  { name: "without queued", sql: [without("queued")] },
  { name: "without ended", sql: [without("ended")] },
  { name: "without seq", sql: [without("seq")] },
  { name: "and (finished_at)", sql: [`create index x on ${TABLE} (finished_at) where finished_at is not null`] },
  {
    name: "(queue, task, seq) of all",
    sql: [without("queued"), without("ended"), `create index x on ${TABLE} (queue, task, seq)`],
  },
  { name: "fillfactor 80", sql: [`alter table ${TABLE} set (fillfactor = 80)`] },
  { name: "fillfactor 60", sql: [`alter table ${TABLE} set (fillfactor = 60)`] },
];
