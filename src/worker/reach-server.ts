/** The way of an incarnation to the server that it submits to: a sidecar of its own, or a server that somebody else started and that may be away yet. */
import type { DatabaseIdentity, ServerMessage } from "../../bridge/src/index.ts";
import type { Logger } from "../logger.ts";
import type { Store } from "../store/connection.ts";
import { readDeadIncarnations } from "../store/lease.ts";
import { findOrphanedServers } from "../store/server.ts";
import { HostElsewhere } from "./host-elsewhere.ts";
import { databaseDigest } from "./identity.ts";
import type { WorkerSettings } from "./options.ts";
import type { OwnLease } from "./own-lease.ts";
import { openPatiently } from "./patience.ts";
import type { ServerHost } from "./server-host.ts";
import { type OpenedServer, ServerLink } from "./server-link.ts";
import { SidecarHost } from "./sidecar-host.ts";

export interface ReachServerOptions {
  readonly settings: WorkerSettings;
  readonly store: Store;
  readonly folder: string;
  /** The incarnation. */
  readonly id: string;
  readonly database: DatabaseIdentity | null;
  readonly lease: OwnLease;
  /** Attempts that are held. */
  readonly held: () => number;
  /** Throws where the incarnation has been stopped or lost meanwhile. */
  readonly checkGoing: () => void;
  /** From here on it is the incarnation's to stop. */
  readonly onLink: (link: ServerLink) => void;
  readonly onMessage: (message: ServerMessage) => void;
  readonly logger: Logger;
}

export interface ReachedServer {
  readonly link: ServerLink;
  readonly opened: OpenedServer;
  /** Dead incarnations whose sessions ended with our hello. */
  readonly replaced: readonly string[];
}

/** @throws SidecarError, BridgeError, DatabaseError */
export async function reachServer(options: ReachServerOptions): Promise<ReachedServer> {
  const { settings, store, folder, database, lease, logger, checkGoing } = options;
  const { server } = settings;
  if (server === null) {
    const digest = databaseDigest(store, database);
    return await openAt(options, new SidecarHost({ settings, folder, databaseDigest: digest, logger }), []);
  }
  let last: ServerLink | null = null;
  const onLink = (link: ServerLink) => {
    last = link;
    options.onLink(link);
  };
  return await openPatiently({
    endpoint: server.endpoint,
    store,
    logger,
    open: async (dead) => {
      await last?.stop("trying again");
      const lost = lease.lost.then((error) => Promise.reject(error));
      return await Promise.race([openAt({ ...options, onLink }, new HostElsewhere(server), dead), lost]);
    },
    checkGoing,
    onWait: (why) => lease.said.report(why),
  });
}

/** `dead`: incarnations of others that are known to be dead. */
async function openAt(options: ReachServerOptions, host: ServerHost, dead: readonly string[]): Promise<ReachedServer> {
  const { settings, store, id, database, lease, held, checkGoing, onLink, onMessage } = options;
  const orphans = await findOrphanedServers(store, settings.name, id);
  const own = orphans.filter(({ worker }) => worker === settings.name);
  // Those too that died before they had written down which server they were at.
  const unwritten = await readDeadIncarnations(store, settings.name);
  checkGoing();
  const replaced = [...new Set([...own.flatMap(({ deadHolders }) => deadHolders), ...unwritten, ...dead])];
  const link = new ServerLink({
    host,
    worker: settings.name,
    incarnation: id,
    replaces: replaced,
    database,
    held,
    onMessage,
    onLost: (error) => lease.lose(error),
  });
  onLink(link);
  return { link, opened: await link.open(), replaced };
}
