import { createHash } from "node:crypto";
import { uuidv7 } from "uuidv7";
import type { DatabaseIdentity } from "../../bridge/src/index.ts";
import type { Store } from "../store/connection.ts";
import type { NewServer } from "../store/server.ts";
import type { OpenedServer } from "./server-link.ts";

/** Part of a server actor's name: workers of different databases or schemas, on one cluster, never meet. */
export function databaseDigest(store: Store, database: DatabaseIdentity | null): string {
  // The cluster's own number where it can be read: one database has many addresses.
  const name = store.where.slice(store.where.indexOf("/"));
  const where = database === null ? store.where : `${database.system_id}${name}`;
  return createHash("sha256").update(`${where}/${store.names.schema}`).digest("hex").slice(0, 12);
}

/** What is written down of a server that has said welcome. */
export function serverRow(holder: string, worker: string, opened: OpenedServer): NewServer {
  const { welcome, place } = opened;
  const { actor, endpoint } = place;
  const { cluster } = welcome;
  return {
    id: uuidv7(),
    holder,
    worker,
    epoch: welcome.epoch,
    endpoint,
    build: welcome.build,
    pid: welcome.pid,
    outlives: place.workAtStop !== "END",
    actorName: actor?.name ?? null,
    namespace: actor?.namespace ?? null,
    generation: welcome.generation,
    authoritySeconds: welcome.authority_seconds,
    rayAddress: cluster?.address ?? null,
    rayVersion: cluster?.ray ?? null,
    nodes: cluster?.nodes ?? null,
    cpus: cluster?.cpus ?? null,
    gpus: cluster?.gpus ?? null,
  };
}
