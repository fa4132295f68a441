import fc from "fast-check";
import { afterAll, expect, test } from "vitest";
import { type ListFilter, list } from "../../src/store/list.ts";
import { TASK_STATES } from "../../src/task-state.ts";
import { rounds } from "../support/effort.ts";
import { openTestStore } from "../support/seed.ts";

const { store, sql, close } = await openTestStore();
afterAll(close);

const QUEUES = ["a", "b'", "ü"];
const TASKS = ["t.x", "t.y", "t.z"];
const ROWS = 400;

// Every combination of queue, task and state, in an order that has nothing to do with them.
await sql`insert into rayferry.ray_task_execution
  (task, queue, state, tags, fence, holder, server, worker, claimed_at, cancel_requested_at, finished_at, result_content_type, error)
  select (${TASKS}::text[])[1 + n % 3], (${QUEUES}::text[])[1 + n * 7 % 3], s.state::rayferry.task_state, case when n % 5 = 0 then '{odd}'::text[] else '{}' end,
    case when s.held then n end, case when s.held then gen_random_uuid() end, case when s.held then gen_random_uuid() end, 'w', now(), now(),
    case when s.ended then now() end, case when s.state = 'SUCCEEDED' then 'application/json' end,
    case when s.state in ('FAILED', 'LOST') then '{"code": "TaskError"}'::jsonb end
  from generate_series(1, ${ROWS}) n, lateral (
    select state, state in ('RUNNING', 'CANCELLING') as held, not state in ('QUEUED', 'RUNNING', 'CANCELLING') as ended
    from (select (${TASK_STATES}::text[])[1 + n * 5 % 8] as state) x) s`;
const all =
  await sql`select id, seq::int as seq, queue, task, state::text as state, tags from rayferry.ray_task_execution order by seq desc`;

const filters = fc.record(
  {
    state: fc.oneof(fc.constantFrom(...TASK_STATES), fc.subarray([...TASK_STATES])),
    queue: fc.constantFrom(...QUEUES, "none"),
    task: fc.constantFrom(...TASKS, "none"),
    tag: fc.constantFrom("odd", "none"),
    limit: fc.integer({ min: 1, max: 200 }),
    after: fc.integer({ min: 0, max: ROWS - 1 }).map((at) => String(all[at]?.["id"])),
  },
  { requiredKeys: [] },
);

function expected({ state, queue, task, tag, limit = 50, after }: ListFilter): string[] {
  const states = state === undefined ? null : [state].flat();
  const before =
    after === undefined ? Number.POSITIVE_INFINITY : Number(all.find((row) => row["id"] === after)?.["seq"]);
  return all
    .filter((row) => (states === null || states.some((each) => each === row["state"])) && Number(row["seq"]) < before)
    .filter((row) => (queue === undefined || row["queue"] === queue) && (task === undefined || row["task"] === task))
    .filter((row) => tag === undefined || row["tags"].includes(tag))
    .slice(0, limit)
    .map((row) => String(row["id"]));
}

test("list - whatever the filters, the newest of what they mean, in order", async () => {
  await fc.assert(
    fc.asyncProperty(filters, async (filter) => {
      const rows = await list(store, filter as ListFilter);
      expect(rows.map((row) => row.id)).toEqual(expected(filter as ListFilter));
    }),
    { numRuns: rounds(300, 60) },
  );
});
