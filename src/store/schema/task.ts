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
  /** Ray's options as the task's author gave them, but for `num_cpus`; the shape is `RayOptions`'. */
  options: jsonb().$type<Readonly<Record<string, unknown>>>().notNull().default({}),
  /** Of a method of an actor: its class, and the pool that runs it. */
  actor: jsonb().$type<Readonly<Record<string, unknown>>>(),
  /** The package and the code that registered it; null of a server in a process. */
  generation: text(),
  registeredAt: instant("registered_at").notNull().default(sql`now()`),
});

/** Runtime environments by name: an enqueue that names one freezes what is here then. */
export const taskRuntimeEnv = rayferrySchema.table("task_runtime_env", {
  name: text().primaryKey(),
  env: jsonb().$type<Readonly<Record<string, unknown>>>().notNull(),
  updatedAt: instant("updated_at").notNull().default(sql`now()`),
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
