import { pgSchema } from "drizzle-orm/pg-core";

/** The schema that every table lives in. */
export const rayferrySchema = pgSchema("rayferry");
