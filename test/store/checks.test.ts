import { randomUUID } from "node:crypto";
import postgres from "postgres";
import { afterAll, describe, expect, test } from "vitest";
import { openTestStore } from "../support/seed.ts";

const { sql, url, close } = await openTestStore();
/** What somebody with psql has. */
const byHand = postgres(url, { max: 1, onnotice: () => {} });
afterAll(async () => {
  await byHand.end();
  await close();
});

/** SQL expressions by column. */
type Columns = Record<string, string>;

const HELD: Columns = {
  fence: "1",
  holder: `'${randomUUID()}'`,
  server: `'${randomUUID()}'`,
  worker: "'w'",
  claimed_at: "now()",
};
const ERROR: Columns = { error: "'{}'" };
const POSSIBLE: Record<string, Columns> = {
  QUEUED: {},
  RUNNING: HELD,
  CANCELLING: { ...HELD, cancel_requested_at: "now()" },
  SUCCEEDED: { finished_at: "now()", result: "'1'", result_content_type: "'application/json'" },
  FAILED: { finished_at: "now()", ...ERROR },
  CANCELLED: { finished_at: "now()" },
  EXPIRED: { finished_at: "now()" },
  LOST: { finished_at: "now()", ...ERROR },
};

function insert(state: string, changes: Columns): Promise<unknown> {
  const row = { task: "'t'", queue: "'default'", state: `'${state}'`, ...POSSIBLE[state], ...changes };
  const columns = Object.keys(row).join(", ");
  return sql.unsafe(`insert into rayferry.ray_task_execution (${columns}) values (${Object.values(row).join(", ")})`);
}

test.each(Object.keys(POSSIBLE))("ray_task_execution - takes a possible row that is %s", async (state) => {
  await expect(insert(state, {})).resolves.toBeDefined();
});

const IMPOSSIBLE: [constraint: string, state: string, changes: Columns][] = [
  ["queue_has_name", "QUEUED", { queue: "''" }],
  ["held_has_fence", "QUEUED", HELD],
  ["held_has_fence", "SUCCEEDED", HELD],
  ["held_has_fence", "RUNNING", { fence: "null", holder: "null", server: "null" }],
  ["held_has_fence", "CANCELLING", { fence: "null", holder: "null", server: "null" }],
  ["held_has_holder", "RUNNING", { holder: "null" }],
  ["held_has_holder", "RUNNING", { server: "null" }],
  ["held_has_holder", "QUEUED", { server: HELD["server"] ?? "" }],
  ["held_was_claimed", "RUNNING", { claimed_at: "null" }],
  ["held_was_claimed", "RUNNING", { worker: "null" }],
  ["terminal_has_end", "QUEUED", { finished_at: "now()" }],
  ["terminal_has_end", "RUNNING", { finished_at: "now()" }],
  ["terminal_has_end", "CANCELLING", { finished_at: "now()" }],
  ...["SUCCEEDED", "FAILED", "CANCELLED", "EXPIRED", "LOST"].map((state): [string, string, Columns] => [
    "terminal_has_end",
    state,
    { finished_at: "null" },
  ]),
  ["cancelling_was_asked", "CANCELLING", { cancel_requested_at: "null" }],
  ["failed_has_error", "FAILED", { error: "null" }],
  ["failed_has_error", "LOST", { error: "null" }],
  ["succeeded_has_no_error", "SUCCEEDED", ERROR],
  ["result_only_of_success", "FAILED", { result: "'1'" }],
  ["result_only_of_success", "RUNNING", { result_bytes: "'x'" }],
  ["result_one_form", "SUCCEEDED", { result_bytes: "'x'" }],
  ["result_has_type", "SUCCEEDED", { result_content_type: "null" }],
  ["input_one_form", "QUEUED", { input: "null" }],
  ["input_one_form", "QUEUED", { input_bytes: "'x'" }],
  ["attempt_within_bounds", "QUEUED", { attempt: "-1" }],
  ["attempt_within_bounds", "QUEUED", { max_attempts: "0" }],
  ["attempt_within_bounds", "QUEUED", { infrastructure_losses: "-1" }],
  ["timeout_positive", "QUEUED", { timeout_seconds: "0" }],
  ["timeout_positive", "QUEUED", { timeout_seconds: "'Infinity'" }],
  ["timeout_positive", "QUEUED", { timeout_seconds: "'NaN'" }],
  ["retry_is_object", "QUEUED", { retry: "'[]'" }],
  ["error_is_object", "FAILED", { error: "'[]'" }],
];

describe("ray_task_execution - refuses an impossible row", () => {
  test.each(IMPOSSIBLE)("%s: %s with %j", async (constraint, state, changes) => {
    await expect(insert(state, changes)).rejects.toMatchObject({ code: "23514", constraint_name: constraint });
  });

  test("every CHECK has a row above that only it refuses", async () => {
    const rows = await sql`select conname from pg_constraint
      where conrelid = 'rayferry.ray_task_execution'::regclass and contype = 'c' order by 1`;
    expect(rows.map((row) => row["conname"])).toEqual([...new Set(IMPOSSIBLE.map(([name]) => name))].sort());
  });
});

test("ray_task_execution - a row written by hand gets its defaults", async () => {
  const [row] = await byHand`insert into rayferry.ray_task_execution (task) values ('by.hand') returning *`;
  expect(row).toMatchObject({ state: "QUEUED", queue: "default", ready: true, input: {}, attempt: 0, priority: 0 });
});

test("ray_task_attempt_ended - one row an execution and fence, gone with the execution", async () => {
  const [row] = await byHand`insert into rayferry.ray_task_execution (task) values ('t') returning id`;
  const id = String(row?.["id"]);
  const ended = () =>
    sql`insert into rayferry.ray_task_attempt_ended (execution_id, fence, attempt, outcome) values (${id}, 1, 1, 'LOST')`;
  await ended();
  await expect(ended()).rejects.toMatchObject({ code: "23505" });
  await sql`delete from rayferry.ray_task_execution where id = ${id}`;
  expect(await sql`select from rayferry.ray_task_attempt_ended where execution_id = ${id}`).toHaveLength(0);
});
