/** Whatever happens in whatever order: no state, no transition and no count that design.md doesn't allow. */
import fc from "fast-check";
import postgres from "postgres";
import { afterAll, describe, expect, test } from "vitest";
import { cancel } from "../../src/store/cancel.ts";
import { complete } from "../../src/store/complete.ts";
import { rounds } from "../support/effort.ts";
import { Machine, type Step } from "../support/machine.ts";
import { completion, openTestStore, seedOneRunning, seedWorker } from "../support/seed.ts";
import { judgeTransitions, takeTransitions, watchTransitions } from "../support/transitions.ts";

const { url, store, sql, empty, close } = await openTestStore();
const byHand = postgres(url, { max: 1, onnotice: () => {} });
await watchTransitions(sql);
afterAll(async () => {
  await byHand.end();
  await close();
});

const pick = fc.nat(7);
const seat = fc.nat(1);
const outcome = fc.constantFrom("SUCCEEDED", "FAILED", "FAILED", "TIMED_OUT", "CANCELLED", "SNOOZED", "LOST", "LOST");
const again = fc.option(fc.record({ retry: fc.boolean(), after_seconds: fc.constantFrom(null, 0, 5) }));
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant("enqueue"),
      maxAttempts: fc.integer({ min: 1, max: 3 }),
      losses: fc.nat(2),
      deadline: fc.boolean(),
    }),
  },
  { weight: 5, arbitrary: fc.record({ do: fc.constant("claim"), seat }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("begin"), pick }) },
  {
    weight: 6,
    arbitrary: fc.record({
      ...{ do: fc.constant("end"), pick, how: fc.record({ outcome, again }), knows: fc.boolean() },
      code: fc.constantFrom("TaskError", "InvalidInput", "ProcessCrashed"),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("late"), pick, outcome }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("release"), pick }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("cancel"), pick, byHand: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("adopt"), seat, half: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("rescue"), seat }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("promote") }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("expire") }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("retry"), pick }) },
) as fc.Arbitrary<Step>;

test("any steps by two workers - transitions, counts and fences are design.md's, and everything ends", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 40, size: "max" }), async (steps) => {
      await empty();
      await takeTransitions(sql);
      const machine = await Machine.open(store, sql, byHand);
      await machine.take({ do: "enqueue", maxAttempts: 2, losses: 1, deadline: true });
      for (const each of steps) await machine.take(each);
      await machine.finish();
      judgeTransitions(await takeTransitions(sql));
      const live = await sql`select id, state from rayferry.ray_task_execution where finished_at is null`;
      expect([...live]).toEqual([]);
      const left = await sql`select l.* from rayferry.execution_lease l`;
      expect([...left]).toEqual([]);
    }),
    { numRuns: rounds(60, 8) },
  );
}, 120_000);

describe("judgeTransitions - can fail", () => {
  const wrongs: [string, string][] = [
    [
      "a cancelled one that nobody cancelled",
      "state = 'CANCELLED', fence = null, holder = null, server = null, finished_at = now()",
    ],
    ["a try too many", "attempt = 9"],
    ["a loss that nobody had", "infrastructure_losses = 1"],
    ["an older fence", "fence = 0"],
    ["queued again without having given its try back", "state = 'QUEUED', fence = null, holder = null, server = null"],
  ];

  test.each(wrongs)("%s", async (_what, set) => {
    await empty();
    await takeTransitions(sql);
    const held = await seedOneRunning(store, await seedWorker(store), { maxAttempts: 3 });
    await sql.unsafe(`update rayferry.ray_task_execution set ${set} where id = '${held.id}'`);
    const transitions = await takeTransitions(sql);
    expect(() => judgeTransitions(transitions)).toThrow();
  });

  test("and passes what is right", async () => {
    await empty();
    await takeTransitions(sql);
    const worker = await seedWorker(store);
    const held = await seedOneRunning(store, worker);
    await cancel(store, held.id, null);
    await complete(store, worker.holder, [completion(held)]);
    judgeTransitions(await takeTransitions(sql));
  });
});
