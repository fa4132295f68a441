import { pino } from "pino";
import { expect, test } from "vitest";
import type { Store } from "../../src/store/connection.ts";
import { namesFor } from "../../src/store/names.ts";
import { Incarnation } from "../../src/worker/incarnation.ts";
import { checkWorkerOptions } from "../../src/worker/options.ts";
import { Sweeper } from "../../src/worker/sweeper.ts";

test("Incarnation - ends though its database takes every statement and answers none", async () => {
  const asked: string[] = [];
  const store: Store = {
    query: (text) => {
      asked.push(text);
      return new Promise(() => {});
    },
    names: namesFor(),
    own: true,
    listener: null,
    where: "nowhere",
    close: async () => {},
  };
  const settings = checkWorkerOptions({ databaseUrl: "postgres://nowhere/db", tasks: ["t"], runner: "sync" });
  const drain = { drainRequested: false, onDrainRequested: () => {} };
  const logger = pino({ level: "silent" });
  const fail = () => expect.fail("Nothing sweeps here.");
  const sweeper = new Sweeper({ store, leads: () => false, logger, onTrouble: fail, onError: fail });
  const incarnation = new Incarnation({ settings, store, beatStore: store, sweeper, folder: "/tmp", ...drain, logger });
  await incarnation.abandon("broken");
  expect(asked).toHaveLength(1);
});
