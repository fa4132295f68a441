import { pino } from "pino";
import { afterAll, expect, test } from "vitest";
import { connect } from "../../src/store/connection.ts";
import { listen } from "../../src/store/listen.ts";
import { sayWhenDeaf } from "../../src/worker/deaf.ts";
import { startProxy } from "../support/proxy.ts";
import { openTestStore } from "../support/seed.ts";
import { waitFor } from "../support/wait-for.ts";

const { url, close } = await openTestStore();
afterAll(close);

test("a connection that falls silent - one warning that names the likely causes, and one line when notifications come again", async () => {
  const said: { level: number; msg: string }[] = [];
  const logger = pino({ level: "info" }, { write: (line: string) => void said.push(JSON.parse(line)) });
  const proxy = await startProxy(url);
  const selfTest = { every: 100, patience: 300, again: 200 };
  const store = connect({ databaseUrl: url, listenUrl: proxy.url, selfTest });
  const stop = sayWhenDeaf(store, logger);
  await listen(
    store,
    "any",
    () => {},
    () => {},
  );
  await waitFor("the self-test to pass", () => store.listener?.works === true);
  expect(said).toEqual([]);
  proxy.freeze(true);
  await waitFor("both lines", () => said.length === 2);
  expect(said[0]).toMatchObject({
    level: 40,
    msg: expect.stringMatching(/^No notification comes through LISTEN at .*pooler/),
  });
  expect(said[1]).toMatchObject({ level: 30, msg: "Notifications come again." });
  stop();
  await store.close();
  await proxy.close();
});
