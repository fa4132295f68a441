/** What attempts bring forth while they run. */
import { sql } from "drizzle-orm";
import { bigint, index, integer, jsonb, primaryKey, text, uuid } from "drizzle-orm/pg-core";
import { bytea, instant } from "./columns.ts";
import { rayTaskExecution } from "./execution.ts";
import { rayferrySchema } from "./rayferry.ts";

const executionId = () =>
  uuid("execution_id")
    .notNull()
    .references(() => rayTaskExecution.id, { onDelete: "cascade" });

/** Lines that attempts printed or logged: up to a limit an execution, in the order of `id`. */
export const rayTaskLog = rayferrySchema.table(
  "ray_task_log",
  {
    id: bigint({ mode: "number" }).primaryKey().generatedAlwaysAsIdentity(),
    executionId: executionId(),
    fence: bigint({ mode: "number" }).notNull(),
    attempt: integer().notNull(),
    /** When it was written, by the database's clock less its age. */
    at: instant("at").notNull().default(sql`now()`),
    /** debug, info, warn, error. */
    level: text().notNull(),
    /** stdout, stderr, logging, context, rayferry. */
    source: text().notNull(),
    text: text().notNull(),
    /** Pieces of this attempt that were dropped just before this one. */
    dropped: integer().notNull().default(0),
  },
  (t) => [index("ray_task_log_execution").on(t.executionId, t.id)],
);

/** What generators yield: the items of the newest fence are the stream. */
export const rayTaskStreamItem = rayferrySchema.table(
  "ray_task_stream_item",
  {
    executionId: executionId(),
    fence: bigint({ mode: "number" }).notNull(),
    /** From 0, without gaps. */
    index: integer().notNull(),
    /** As of a result: JSON where that says it exactly, else MessagePack. */
    contentType: text("content_type").notNull(),
    value: jsonb(),
    valueBytes: bytea("value_bytes"),
    at: instant("at").notNull().default(sql`now()`),
  },
  (t) => [primaryKey({ columns: [t.executionId, t.fence, t.index] })],
);
