import { pino } from "pino";
import { afterAll, beforeEach, expect, test } from "vitest";
import type { WorkerMessage } from "../../bridge/src/index.ts";
import { ServerAttempts } from "../../src/worker/server-attempts.ts";
import { openTestStore, seedRunning, seedWorker } from "../support/seed.ts";
import { PLAIN_TERMS } from "../support/terms.ts";

const { store, sql, empty, close } = await openTestStore();
afterAll(close);
beforeEach(empty);

test("ServerAttempts - of what is held, only what has no row any more is stopped, once, by the first beat that counts fewer rows", async () => {
  const seat = await seedWorker(store);
  const [sent, errors]: [WorkerMessage[], unknown[]] = [[], []];
  const attempts = new ServerAttempts({
    store,
    holder: seat.holder,
    server: seat.server,
    send: (message) => sent.push(message),
    inventory: () => Promise.resolve([]),
    hold: () => {},
    graceSeconds: 5,
    logger: pino({ level: "silent" }),
    onRoom: () => {},
    onError: (error) => errors.push(error),
  });
  const [deleted, adopted, kept] = await seedRunning(store, seat, 3);
  for (const each of [deleted, adopted, kept])
    if (each !== undefined) attempts.held.add(each.id, each.fence, each.task, PLAIN_TERMS);
  await attempts.afterBeat(3, []);
  expect(sent).toEqual([]);
  await sql`delete from rayferry.ray_task_execution where id = ${deleted?.id ?? ""}`;
  // Somebody else has it: it isn't ours to stop.
  const other = await seedWorker(store);
  await sql`update rayferry.ray_task_execution set holder = ${other.holder} where id = ${adopted?.id ?? ""}`;
  await attempts.afterBeat(1, []);
  await attempts.afterBeat(1, []);
  expect(sent).toEqual([{ type: "cancel", execution: deleted?.id, fence: deleted?.fence, grace_seconds: 5 }]);
  expect(errors).toEqual([]);
});
