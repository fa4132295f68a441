import type { Store } from "./connection.ts";

/** Subscriptions to one store's channels. */
export interface Listening {
  stop(): void;
}

/**
 * Calls back for each notification, and `onConnect` whenever the subscription is (again) up, or is found to work or not to: what came before it may
 * have been missed. It reconnects by itself; whoever subscribed polls behind it, by `store.listener.works`. Answers null where there is no LISTEN.
 */
export async function listen(
  store: Store,
  channel: string,
  onNotify: (payload: string) => void,
  onConnect: () => void,
): Promise<Listening | null> {
  if (store.listener === null) return null;
  const stop = await store.listener.subscribe(channel, { onNotify, onConnect });
  return { stop };
}
