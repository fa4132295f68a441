import { sql } from "drizzle-orm";
import { bigint, text } from "drizzle-orm/pg-core";
import { instant } from "./columns.ts";
import { taskState } from "./execution.ts";
import { rayferrySchema } from "./rayferry.ts";

/** One row a queue that somebody paused, or has paused before. */
export const taskQueue = rayferrySchema.table("task_queue", {
  name: text().primaryKey(),
  /** Nothing is claimed from it since. */
  pausedAt: instant("paused_at"),
  pauseReason: text("pause_reason"),
  updatedAt: instant("updated_at").notNull().default(sql`now()`),
});

/**
 * How many executions have ended, as changes to be added up: a trigger on the executions writes one row a statement, queue, task and state, and the
 * leading worker folds them. So nobody waits for anybody's count.
 */
export const taskCount = rayferrySchema.table("task_count", {
  queue: text().notNull(),
  task: text().notNull(),
  /** A terminal one. */
  state: taskState().notNull(),
  change: bigint({ mode: "number" }).notNull(),
});
