import type { Deed } from "./history.ts";
import type { Load } from "./load.ts";
import type { Plannable, PlannedFault } from "./plan.ts";
import type { World } from "./world.ts";

/** What a fault did. */
export type Done = Partial<Pick<Deed, "kills" | "holders" | "executions" | "missed">> & {
  /** In words. */
  readonly what: string;
};

/** One kind of fault. A new one is a file of its own in faults/, and a line in faults/index.ts. */
export interface Fault extends Plannable {
  /** It may end statements in the middle, of which nobody's journal then knows. */
  readonly cutsStatements?: true;
  /** Why it can't be done on this machine; null: it can. */
  missing?(world: World): string | null;
  /** Does it, and undoes it. Rejects where there was nothing to do it to, having done nothing: it is tried again. */
  inject(world: World, planned: PlannedFault, load: Load): Promise<Done>;
}

/** Over at once. */
export const AT_ONCE = [[0, 0]] as const;
/** Shorter than a lease (6 s), and longer than lease, authority (8 s) and the silence after which a session is lost (10 s). */
export const STOPS = [
  [1, 4],
  [8, 13],
] as const;
export const WORKERS = 2;
/** ... and the client's. */
export const NETWORKS = 3;
