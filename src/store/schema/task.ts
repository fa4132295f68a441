import { sql } from "drizzle-orm";
import { doublePrecision, integer, jsonb, text } from "drizzle-orm/pg-core";
import { instant } from "./columns.ts";
import { rayferrySchema } from "./rayferry.ts";

/** The tasks that workers have registered: names and signatures, so that enqueue can refuse what can't run. */
export const taskDefinition = rayferrySchema.table("task_definition", {
  name: text().primaryKey(),
  module: text().notNull(),
  kind: text().notNull(),
  queue: text().notNull(),
  numCpus: doublePrecision("num_cpus").notNull(),
  doc: text(),
  parameters: jsonb().$type<TaskParameter[]>().notNull(),
  /** What the task's author gave; null where nothing. */
  maxAttempts: integer("max_attempts"),
  retry: jsonb().$type<Readonly<Record<string, unknown>>>(),
  timeoutSeconds: doublePrecision("timeout_seconds"),
  queueTimeoutSeconds: doublePrecision("queue_timeout_seconds"),
  registeredAt: instant("registered_at").notNull().default(sql`now()`),
});

/** A parameter of a task, as Python's `inspect.signature` tells it. */
export interface TaskParameter {
  readonly name: string;
  readonly kind: "positional_only" | "positional_or_keyword" | "var_positional" | "keyword_only" | "var_keyword";
  readonly required: boolean;
  /** The annotation's source text, or null. */
  readonly annotation: string | null;
  /** `repr` of the default, or null where there is none. */
  readonly default: string | null;
}
