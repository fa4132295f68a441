/** What Postgres does for the very statements of the verbs, as prepared by postgres.js: by a plan for any parameters, and by one for these. */
import type postgres from "postgres";
import type { Store } from "../../src/store/connection.ts";

export interface Plan {
  /** What read the executions: an index's name, or how without one. */
  readonly scans: readonly Scan[];
  /** Pages of 8 KiB that the whole statement touched. */
  readonly pages: number;
  readonly text: string;
}

export interface Scan {
  readonly by: string;
  /** Rows that it looked at, over all its rounds; those that a filter took away included. */
  readonly rows: number;
}

interface Node {
  readonly "Node Type": string;
  readonly "Relation Name"?: string;
  readonly "Index Name"?: string;
  readonly "Actual Rows"?: number;
  readonly "Actual Loops"?: number;
  readonly "Rows Removed by Filter"?: number;
  readonly "Rows Removed by Index Recheck"?: number;
  readonly "Shared Hit Blocks"?: number;
  readonly "Shared Read Blocks"?: number;
  readonly Plans?: readonly Node[];
}

const TABLE = "ray_task_execution";

/** Runs the verb against a store that explains instead: each statement is executed, looked at and rolled back. */
export async function explain(
  sql: postgres.Sql,
  store: Store,
  mode: "force_generic_plan" | "force_custom_plan",
  verb: (store: Store) => Promise<unknown>,
): Promise<Plan> {
  const plans: Plan[] = [];
  const query: Store["query"] = async (text, params) => {
    plans.push(await planOf(sql, mode, text, params));
    return [];
  };
  await verb({ ...store, query });
  const [plan, ...more] = plans;
  if (plan === undefined || more.length > 0)
    throw new Error(`A verb of ${plans.length} statements can't be explained.`);
  return plan;
}

async function planOf(
  sql: postgres.Sql,
  mode: string,
  text: string,
  params: readonly (string | null)[],
): Promise<Plan> {
  const connection = await sql.reserve();
  const literals = params.map((each) => (each === null ? "null" : `'${each.replaceAll("'", "''")}'`)).join(", ");
  const execute = `execute explained${params.length === 0 ? "" : `(${literals})`}`;
  try {
    await connection.unsafe(`set plan_cache_mode = ${mode}`);
    await connection.unsafe(`prepare explained as ${text}`);
    await connection.unsafe("begin");
    // Once before: what the first look at dead index entries finds out is written down in the index.
    await connection.unsafe(`explain (analyze, timing off) ${execute}`);
    await connection.unsafe("rollback; begin");
    const [row] = await connection.unsafe(`explain (analyze, buffers, timing off, format json) ${execute}`);
    await connection.unsafe("rollback");
    const explained = row?.["QUERY PLAN"] as readonly { readonly Plan: Node }[];
    return read(explained[0]?.Plan);
  } finally {
    await connection.unsafe("rollback; deallocate all; reset plan_cache_mode");
    connection.release();
  }
}

function read(root: Node | undefined): Plan {
  if (root === undefined) throw new Error("Postgres explained nothing.");
  const nodes = flatten(root);
  const loops = (node: Node) => node["Actual Loops"] ?? 1;
  const looked = (node: Node) =>
    ((node["Actual Rows"] ?? 0) +
      (node["Rows Removed by Filter"] ?? 0) +
      (node["Rows Removed by Index Recheck"] ?? 0)) *
    loops(node);
  const readsTable = (node: Node) => node["Relation Name"] === TABLE && node["Node Type"].includes("Scan");
  const scans = nodes
    .filter((node) => readsTable(node) || node["Node Type"] === "Bitmap Index Scan")
    .filter((node) => loops(node) > 0 && node["Node Type"] !== "Bitmap Heap Scan")
    .map((node) => ({ by: node["Index Name"] ?? node["Node Type"], rows: looked(node) }));
  return {
    scans,
    pages: (root["Shared Hit Blocks"] ?? 0) + (root["Shared Read Blocks"] ?? 0),
    text: JSON.stringify(root, null, 1),
  };
}

function flatten(node: Node): Node[] {
  return [node, ...(node.Plans ?? []).flatMap(flatten)];
}
