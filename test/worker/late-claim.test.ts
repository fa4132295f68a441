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

/** One claim of the only execution there is: how many messages were sent, how many attempts are held, and the row then. */
async function claimOnce({
  query = store.query,
  mayAct = () => true,
  accepting = true,
}: {
  query?: Store["query"];
  accepting?: boolean;
  mayAct?: () => boolean;
}) {
  const seat = await seedWorker(store);
  const [id = ""] = await seedQueued(store);
  const sent: WorkerMessage[] = [];
  const held = new HeldAttempts();
  const claimer = new Claimer({
    ...seat,
    store: { ...store, query },
    send: (message) => sent.push(message),
    accepting: () => accepting,
    mayAct,
    held,
    queues: ["default"],
    slots: 4,
    graceSeconds: 5,
    tasks: new Set(["t.run"]),
    logger: pino({ level: "silent" }),
    onError: (error) => expect.fail(String(error)),
  });
  await claimer.runOnce();
  return { sent: sent.map(({ type }) => type), held: held.size, row: await readRow(sql, id) };
}

test.each([
  ["at once", 0, "RUNNING"],
  ["so late that it may be another's by now", 8_001, "QUEUED"],
])("Claimer - a claim that is answered %s", async (_when, late, state) => {
  const now = vi.spyOn(performance, "now").mockReturnValue(1_000);
  const query: Store["query"] = async (text, params) => {
    const rows = await store.query(text, params);
    now.mockReturnValue(1_000 + late);
    return rows;
  };
  const { sent, held, row } = await claimOnce({ query });
  expect(row).toMatchObject({ state, infrastructure_losses: 0, attempt: state === "RUNNING" ? 1 : 0 });
  expect([sent, held]).toEqual(state === "RUNNING" ? [["submit"], 1] : [[], 0]);
});

test("Claimer - the lease ran out before it came to read what it was given: nothing is submitted", async () => {
  let asked = 0;
  const { sent, held, row } = await claimOnce({ mayAct: () => ++asked === 1 });
  expect([sent, held]).toEqual([[], 0]);
  // As it is with the rows of every dead holder: the sweep brings it back.
  expect(row).toMatchObject({ state: "RUNNING", holder: expect.any(String) });
});

test.each([
  ["the server wants no more", { accepting: false }],
  ["the lease ran out, as when Postgres refuses", { mayAct: () => false }],
])("Claimer - while %s, nothing is claimed", async (_while, broken) => {
  const { sent, held, row } = await claimOnce(broken);
  expect([sent, held, row["state"]]).toEqual([[], 0, "QUEUED"]);
});
