/**
 * The tables, public: query and join them from your own drizzle code (`import { rayTaskExecution } from "rayferry/schema"`).
 *
 * Postgres is the only truth. CHECKs tie a state to its columns, so that a row that the state machine can't reach can't be written by anybody.
 */
export * from "./schema/attempt.ts";
export * from "./schema/execution.ts";
export * from "./schema/output.ts";
export * from "./schema/queue.ts";
export * from "./schema/rayferry.ts";
export * from "./schema/task.ts";
export * from "./schema/worker.ts";
