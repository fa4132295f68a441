import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "vitest";
import type { Store } from "../../src/store/connection.ts";
import { listen } from "../../src/store/listen.ts";

export interface Notifications {
  /** What has come since the last call: everything that was committed before this one. */
  take(): Promise<string[]>;
}

/** Listens to a channel until the store closes. */
export async function collectNotifications(store: Store, channel: string): Promise<Notifications> {
  const got: string[] = [];
  const awaited = new Map<string, () => void>();
  await listen(
    store,
    channel,
    (payload) => (awaited.has(payload) ? awaited.get(payload)?.() : got.push(payload)),
    () => {},
  );
  return {
    async take() {
      // Postgres keeps the order of commits: what is sent last comes last.
      const last = randomUUID();
      const came = new Promise<void>((resolve) => awaited.set(last, resolve));
      await store.query(`select pg_notify($1::text, $2::text)`, [channel, last]);
      await within("a notification of our own", came);
      awaited.delete(last);
      return got.splice(0);
    },
  };
}

/** Fails by name where `came` doesn't settle in 10 s. */
async function within(what: string, came: Promise<void>): Promise<void> {
  const ending = new AbortController();
  const late = sleep(10_000, undefined, { signal: ending.signal }).then(() =>
    expect.fail(`waited in vain for: ${what}`),
  );
  late.catch(() => {});
  await Promise.race([came, late]).finally(() => ending.abort());
}
