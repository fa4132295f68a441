import { setTimeout as sleep } from "node:timers/promises";
import { WorkerNameTakenError } from "../errors.ts";
import type { Store } from "../store/connection.ts";
import { closeLease, readNameHolders } from "../store/lease.ts";

/** Milliseconds between looks at another host's lease. */
const LOOK = 500;

/**
 * Makes sure that no other incarnation has this name. Those of `deadHost` are known to be dead, and their leases are closed: give it when the name's
 * lock was a dead process's. The host's name alone proves nothing, for containers and users with folders of their own may share it. Any other is
 * waited for until its lease has run out.
 *
 * @throws WorkerNameTakenError when the other one renews meanwhile.
 */
export async function takeOverName(store: Store, name: string, deadHost: string | null): Promise<void> {
  const first = new Map<string, string>();
  for (;;) {
    const holders = await readNameHolders(store, name);
    for (const dead of holders.filter((each) => each.host === deadHost)) {
      await closeLease(store, dead.id, "its process is gone");
    }
    const others = holders.filter((each) => each.host !== deadHost);
    if (others.length === 0) return;
    for (const other of others) {
      const seen = first.get(other.id);
      if (seen !== undefined && seen !== other.heartbeat_at) {
        throw new WorkerNameTakenError(
          `A worker named "${name}" is alive on host ${other.host} (pid ${other.pid}). Stop it, or give this one another --name.`,
        );
      }
      first.set(other.id, other.heartbeat_at);
    }
    await sleep(LOOK);
  }
}
