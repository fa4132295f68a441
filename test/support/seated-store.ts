/** What most tests of a store verb begin with: see `openSeatedStore`. */
import { afterAll, beforeEach } from "vitest";
import type { Store } from "../../src/store/connection.ts";
import { collectNotifications, type Notifications } from "./notifications.ts";
import { openTestStore, type Seat, seedWorker, type TestStore } from "./seed.ts";

/** A channel by its name in `store.names`. */
type Channel = Extract<keyof Store["names"], `${string}Channel`>;

/**
 * A store on a database of the file's own, closed after its last test. Before each test it is emptied, a worker takes its seat, and what the channels
 * in `heard` told of that is dropped. `seat` is one object for all tests: it has the fields of the current test's worker.
 */
export async function openSeatedStore<Name extends string = never>(
  heard: Readonly<Record<Name, Channel>> = {} as Record<Name, Channel>,
  worker: Parameters<typeof seedWorker>[1] = {},
): Promise<TestStore & { readonly seat: Seat } & Readonly<Record<Name, Notifications>>> {
  const opened = await openTestStore();
  const { store, empty, close } = opened;
  const told = {} as Record<Name, Notifications>;
  for (const name in heard) told[name] = await collectNotifications(store, store.names[heard[name]]);
  const seat = { holder: "", server: "", worker: "" };
  afterAll(close);
  beforeEach(async () => {
    await empty();
    Object.assign(seat, await seedWorker(store, worker));
    for (const name in told) await told[name].take();
  });
  return { ...opened, seat, ...told };
}
