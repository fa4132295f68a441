import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { encodePayload } from "../../src/payload.ts";
import { cancel } from "../../src/store/cancel.ts";
import { complete } from "../../src/store/complete.ts";
import { define } from "../../src/store/definitions.ts";
import { rerun } from "../../src/store/rerun.ts";
import { openSeatedStore } from "../support/seated-store.ts";
import { claimAs, completion, readRow, seedOneRunning } from "../support/seed.ts";

const { store, sql, seat, woken } = await openSeatedStore({ woken: "enqueuedChannel" });

const KEPT = ["task", "queue", "priority", "max_attempts", "retry", "timeout_seconds", "input", "input_bytes"] as const;
const ALSO_KEPT = ["input_content_type", "options", "tags", "metadata"] as const;

test.each([
  ["JSON", encodePayload({ n: [1, "two"] })],
  ["bytes", encodePayload({ raw: new Uint8Array([0, 255]), when: new Date(5) })],
])(
  "rerun - of a success: a new row with everything of the old one but what became of it, input in %s",
  async (_name, input) => {
    const held = await seedOneRunning(store, seat, {
      input,
      priority: 7,
      maxAttempts: 4,
      retry: { on: ["OSError"] },
      timeoutSeconds: 9,
      queueTimeoutSeconds: 60,
      tags: ["a", "b"],
      metadata: { by: "me" },
    });
    await complete(store, seat.holder, [completion(held)]);
    const old = await readRow(sql, held.id);
    const id = randomUUID();
    expect(await rerun(store, { id, of: held.id, input: null })).toEqual({
      id: held.id,
      before: "SUCCEEDED",
      done: true,
    });
    const row = await readRow(sql, id);
    expect(row).toMatchObject({
      state: "QUEUED",
      ready: true,
      attempt: 0,
      rerun_of: held.id,
      result: null,
      last_fence: null,
    });
    for (const column of [...KEPT, ...ALSO_KEPT]) expect(row[column]).toEqual(old[column]);
    expect(row["expires_at"] - row["run_at"]).toBe(60_000);
    expect(await readRow(sql, held.id)).toEqual(old);
    expect(await woken.take()).toEqual(["default"]);
    const [claimed] = await claimAs(store, seat);
    expect(claimed).toMatchObject({
      id,
      contentType: held.contentType,
      terms: { ...held.terms, expiresInSeconds: expect.any(Number) },
    });
    expect(Buffer.from(claimed?.input ?? []).equals(Buffer.from(held.input))).toBe(true);
  },
);

test("rerun - with another input, of another form", async () => {
  const held = await seedOneRunning(store, seat, { input: encodePayload({ n: 1 }) });
  await complete(store, seat.holder, [completion(held)]);
  const input = encodePayload({ raw: new Uint8Array([1]) });
  const id = randomUUID();
  await rerun(store, { id, of: held.id, input });
  const row = await readRow(sql, id);
  expect(row).toMatchObject({ input: null, input_content_type: "application/msgpack" });
  expect(Buffer.from(row["input_bytes"]).equals(Buffer.from(input.bytes ?? []))).toBe(true);
});

test("rerun - the task's own queueTimeout where the old deadline is gone, none where there was none", async () => {
  const held = await seedOneRunning(store, seat);
  await complete(store, seat.holder, [completion(held)]);
  const [first, second] = [randomUUID(), randomUUID()];
  await rerun(store, { id: first, of: held.id, input: null });
  expect(await readRow(sql, first)).toMatchObject({ expires_at: null });
  const parameters = { module: "t", kind: "function", queue: "default", num_cpus: 1, doc: null, parameters: [] };
  await define(store, [{ name: "t.run", ...parameters, queue_timeout_seconds: 30 }]);
  await rerun(store, { id: second, of: held.id, input: null });
  const row = await readRow(sql, second);
  expect(row["expires_at"] - row["run_at"]).toBe(30_000);
});

test("rerun - repeated with the same id it is one; of a live or missing one it is none", async () => {
  const held = await seedOneRunning(store, seat);
  const id = randomUUID();
  expect(await rerun(store, { id, of: held.id, input: null })).toEqual({ id: held.id, before: "RUNNING", done: false });
  await cancel(store, held.id, null);
  await complete(store, seat.holder, [completion(held, { state: "CANCELLED", value: null, contentType: null })]);
  const answers = await Promise.all([1, 2, 3].map(() => rerun(store, { id, of: held.id, input: null })));
  expect(answers.filter((each) => each?.done)).toHaveLength(1);
  expect(await sql`select from rayferry.ray_task_execution where rerun_of = ${held.id}`).toHaveLength(1);
  expect(await rerun(store, { id, of: randomUUID(), input: null })).toBeNull();
});
