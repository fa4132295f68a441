import type { LeaseFacts } from "../../src/store/beat.ts";

/** What a lease tells of a worker that has nothing and does nothing. */
export function leaseFacts(fields: Partial<LeaseFacts> = {}): LeaseFacts {
  const counts = { submitted: 0, pending: 0, running: 0, slots: null, refused: 0 };
  return { ...counts, server: null, sidecarPid: null, accepting: null, ray: null, trouble: null, ...fields };
}
