import { pino } from "pino";
import { afterAll, afterEach, beforeEach, expect, test, vi } from "vitest";
import type { WorkerMessage } from "../../bridge/src/index.ts";
import type { Store } from "../../src/store/connection.ts";
import { Claimer } from "../../src/worker/claimer.ts";
import { HeldAttempts } from "../../src/worker/held.ts";
import { openTestStore, readRow, seedQueued, seedWorker } from "../support/seed.ts";

const { store, sql, empty, close } = await openTestStore();
afterAll(close);
beforeEach(empty);
afterEach(() => void vi.restoreAllMocks());

test.each([
  ["at once", 0, "RUNNING"],
  ["so late that it may be another's by now", 8_001, "QUEUED"],
])("Claimer - a claim that is answered %s", async (_when, late, state) => {
  const seat = await seedWorker(store);
  const [id = ""] = await seedQueued(store);
  const now = vi.spyOn(performance, "now").mockReturnValue(1_000);
  const query: Store["query"] = async (text, params) => {
    const rows = await store.query(text, params);
    now.mockReturnValue(1_000 + late);
    return rows;
  };
  const sent: WorkerMessage[] = [];
  const held = new HeldAttempts();
  const claimer = new Claimer({
    ...seat,
    store: { ...store, query },
    send: (message) => sent.push(message),
    accepting: () => true,
    held,
    queues: ["default"],
    slots: 4,
    tasks: new Set(["t.run"]),
    logger: pino({ level: "silent" }),
    onError: () => {},
  });
  await claimer.runOnce();
  expect(await readRow(sql, id)).toMatchObject({
    state,
    infrastructure_losses: 0,
    attempt: state === "RUNNING" ? 1 : 0,
  });
  expect([sent.length, held.size]).toEqual(state === "RUNNING" ? [1, 1] : [0, 0]);
});
