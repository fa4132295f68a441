import type { Store } from "./connection.ts";

/** Subscriptions to one store's channels. */
export interface Listening {
  stop(): Promise<void>;
}

/**
 * Calls back for each notification, and `onConnect` whenever the subscription is (again) up: what came before it has been missed.
 * postgres.js keeps one connection for all channels and reconnects by itself. Answers null where the caller's driver can't listen.
 */
export async function listen(
  store: Store,
  channel: string,
  onNotify: (payload: string) => void,
  onConnect: () => void,
): Promise<Listening | null> {
  if (store.listener === null) return null;
  const subscription = await store.listener.listen(channel, onNotify, onConnect);
  return { stop: async () => await subscription.unlisten() };
}
