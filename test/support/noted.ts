import type { NotedAttempt } from "../../src/store/execution-lease.ts";

/** Where an attempt runs, since 3 s. */
export const PLACE = { rayTaskId: "r1", nodeId: "n1", workerId: "w1", pid: 7, ageSeconds: 3 };

/** What a holder notes of an attempt that runs, unless `fields` say otherwise. */
export function noted(
  { id, fence }: { readonly id: string; readonly fence: number },
  fields: Partial<NotedAttempt> = {},
): NotedAttempt {
  return { id, fence, phase: "RUNNING", isLeased: true, place: PLACE, progress: null, ...fields };
}
