import type postgres from "postgres";
import type { Store } from "./connection.ts";

/** Subscriptions to one store's channels. */
export interface Listening {
  stop(): void;
}

interface Subscriber {
  readonly onNotify: (payload: string) => void;
  readonly onConnect: () => void;
}

interface Channel {
  readonly subscribers: Set<Subscriber>;
  readonly ready: Promise<unknown>;
}

/**
 * One subscription of postgres.js for each client and channel, for as long as the client lives; ours come and go behind it. postgres.js renews its
 * listeners at every reconnect, so that an unlisten finds nothing to remove; and it goes on trying one whose first attempt failed.
 */
const channels = new WeakMap<postgres.Sql, Map<string, Channel>>();

/**
 * Calls back for each notification, and `onConnect` whenever the subscription is (again) up: what came before it has been missed. postgres.js keeps
 * one connection for all channels and reconnects by itself. Answers null where the caller's driver can't listen.
 */
export async function listen(
  store: Store,
  channel: string,
  onNotify: (payload: string) => void,
  onConnect: () => void,
): Promise<Listening | null> {
  if (store.listener === null) return null;
  const subscriber: Subscriber = { onNotify, onConnect };
  const known = channels.get(store.listener) ?? new Map<string, Channel>();
  channels.set(store.listener, known);
  const existing = known.get(channel);
  const { subscribers, ready } = existing ?? open(store.listener, channel);
  known.set(channel, { subscribers, ready });
  subscribers.add(subscriber);
  try {
    await ready;
    if (existing !== undefined) onConnect();
  } catch {
    // It goes on trying; whoever subscribed polls meanwhile, and hears of the connection when it is there.
  }
  return { stop: () => void subscribers.delete(subscriber) };
}

function open(client: postgres.Sql, channel: string): Channel {
  const subscribers = new Set<Subscriber>();
  const ready = client.listen(
    channel,
    (payload) => {
      for (const each of [...subscribers]) each.onNotify(payload);
    },
    () => {
      for (const each of [...subscribers]) each.onConnect();
    },
  );
  ready.catch(() => {});
  return { subscribers, ready };
}
