import fc from "fast-check";
import { afterAll, expect, test } from "vitest";
import { fromBase64 } from "../../src/execution-row.ts";
import { decodePayload, encodePayload } from "../../src/payload.ts";
import { complete } from "../../src/store/complete.ts";
import { enqueue } from "../../src/store/enqueue.ts";
import { readExecutions } from "../../src/store/read.ts";
import { exact } from "../support/exact.ts";
import { claimAs, completion, newExecution, openTestStore, seedWorker } from "../support/seed.ts";
import { plainValue } from "../support/values.ts";

const { store, close } = await openTestStore();
afterAll(close);

test("payloads - come back from Postgres as they were, input and result", async () => {
  const property = fc.asyncProperty(fc.array(plainValue(), { minLength: 20, maxLength: 40 }), async (values) => {
    const seat = await seedWorker(store);
    const executions = values.map((value) => newExecution({ input: encodePayload(value) }));
    await enqueue(store, executions, false);
    const claimed = await claimAs(store, seat);
    const echoed = claimed.map((each) => completion(each, { value: each.input, contentType: each.contentType }));
    await complete(store, seat.holder, echoed);
    const ids = executions.map((each) => each.id);
    const rows = new Map((await readExecutions(store, ids)).map((row) => [row.id, row]));
    for (const [index, value] of values.entries()) {
      const row = rows.get(ids[index] ?? "") ?? expect.fail("A row is missing.");
      expect(row.state).toBe("SUCCEEDED");
      expect(exact(decodePayload({ json: row.input_json, bytes: fromBase64(row.input_base64) }))).toEqual(exact(value));
      expect(exact(decodePayload({ json: row.result_json, bytes: fromBase64(row.result_base64) }))).toEqual(
        exact(value),
      );
    }
  });
  await fc.assert(property, { numRuns: 15 });
});
