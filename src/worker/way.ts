import type { OrphanedServer } from "../store/server.ts";
import type { Way } from "./adopter.ts";
import type { Runner } from "./options.ts";
import type { Sidecar } from "./sidecar.ts";

/** How to get to a server that outlived its worker: through our sidecar, which finds its actor by name on whichever node it is. */
export async function findWay(orphan: OrphanedServer, sidecar: Sidecar | null, runner: Runner): Promise<Way> {
  const { actorName, namespace } = orphan;
  if (actorName === null || namespace === null || sidecar === null || runner !== "cluster") return "UNREACHABLE";
  const { endpoint, curve, dead } = await sidecar.relay({ name: actorName, namespace });
  if (endpoint !== null) return { endpoint, curve };
  return dead ? "DEAD" : "UNREACHABLE";
}
