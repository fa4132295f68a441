import { randomUUID } from "node:crypto";
import type { Store } from "../../src/store/connection.ts";
import { listen } from "../../src/store/listen.ts";
import { waitFor } from "./wait-for.ts";

export interface Notifications {
  /** What has come since the last call: everything that was committed before this one. */
  take(): Promise<string[]>;
}

/** Listens to a channel until the store closes. */
export async function collectNotifications(store: Store, channel: string): Promise<Notifications> {
  const got: string[] = [];
  await listen(
    store,
    channel,
    (payload) => got.push(payload),
    () => {},
  );
  return {
    async take() {
      // Postgres keeps the order of commits: what is sent last comes last.
      const last = randomUUID();
      await store.query(`select pg_notify($1::text, $2::text)`, [channel, last]);
      await waitFor("a notification of our own", () => got.includes(last));
      return got.splice(0).filter((each) => each !== last);
    },
  };
}
